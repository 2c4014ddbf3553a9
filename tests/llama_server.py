"""llama.cpp's own server, which the package xllamacpp holds.

    TEST_KEY=secret .venv-servers/bin/python -m tests.llama_server MODEL.gguf PORT [TEMPLATE.jinja]

It runs until it is killed. The template replaces the model's own.
"""

import os
import signal
import sys
from pathlib import Path

CONTEXT = 2048  # tokens


def main(model: str, port: str, template: str | None = None) -> None:
    from xllamacpp import CommonParams, Server

    settings = CommonParams()
    settings.model.path = model
    settings.model_alias = {"base"}
    settings.hostnames = ["127.0.0.1"]
    settings.port = int(port)
    settings.api_keys = [os.environ["TEST_KEY"]]
    settings.n_ctx = CONTEXT
    settings.cpuparams.n_threads = 1  # two that wait for each other are slower wherever something else runs
    settings.offline = True
    if template:
        settings.chat_template = Path(template).read_text(encoding="utf-8")
    server = Server(settings)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
