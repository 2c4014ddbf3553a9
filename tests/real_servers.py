"""Real servers as processes of their own, on free ports of this machine, with the embedded model behind them.

Each function yields a URL and the model's name. Their environments are made by development.mk.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.conftest import ROOT

KEY = "sk-secret"  # LiteLLM's keys begin so
CONTEXT = "2048"  # tokens
PATIENCE = 300  # seconds until a server must answer
ENVIRONMENT = os.environ | {"TEST_KEY": KEY, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def write_float32(file: Path, target: Path) -> None:
    """Write a quantized GGUF file with the weights that the stage fetch_models makes of it, rounded to bfloat16, as
    float32.
    """
    import gguf
    import torch

    reader = gguf.GGUFReader(file)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            is_list = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if is_list else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        weights = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        writer.add_tensor(tensor.name, weights.bfloat16().float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Served(NamedTuple):
    url: str
    model: str


def python(name: str) -> str:
    """The interpreter of the environment .venv-NAME; skips the test where there is none."""
    path = ROOT / f".venv-{name}" / "bin" / "python"
    if not path.exists():
        pytest.skip(f"`make .venv-{name}/.ready` installs this server")
    return str(path)


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def launched(
    command: list[str], port: int, health: str, environment: Mapping[str, str] = ENVIRONMENT, folder: Path = ROOT
) -> Iterator[str]:
    """The address of a server that answers the path `health`; ends it and its workers afterwards."""
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(PATIENCE):
            assert process.poll() is None, f"{command[0]} ended with status {process.returncode}"
            try:
                if requests.get(address + health, headers={"Authorization": f"Bearer {KEY}"}, timeout=5).ok:
                    break
            except requests.ConnectionError:
                pass
            time.sleep(1)
        else:
            pytest.fail(f"{command[0]} did not answer within {PATIENCE} s")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers too, which outlive it
        process.wait()


@contextmanager
def llama_cpp(gguf: Path, template: Path | None = None) -> Iterator[Served]:
    """llama.cpp's own server."""
    port = free_port()
    command = [python("servers"), "-m", "tests.llama_server", str(gguf), str(port)]
    with launched([*command, *([str(template)] if template else [])], port, "/health") as address:
        yield Served(f"{address}/v1", "base")


@contextmanager
def llama_cpp_python(gguf: Path) -> Iterator[Served]:
    """llama-cpp-python's server, which is another."""
    port = free_port()
    command = [
        *[python("llama-cpp-python"), "-m", "llama_cpp.server", "--model", str(gguf), "--model_alias", "base"],
        *["--n_ctx", CONTEXT, "--n_threads", "1", "--host", "127.0.0.1", "--port", str(port), "--api_key", KEY],
    ]
    with launched(command, port, "/v1/models") as address:
        yield Served(f"{address}/v1", "base")


@contextmanager
def litellm(gguf: Path, folder: Path) -> Iterator[Served]:
    """LiteLLM's proxy in front of llama.cpp's server."""
    interpreter = python("litellm")
    with llama_cpp(gguf) as upstream:
        port = free_port()
        target = {"model": f"openai/{upstream.model}", "api_base": upstream.url, "api_key": KEY}
        settings = {
            "model_list": [{"model_name": upstream.model, "litellm_params": target}],
            "general_settings": {"master_key": KEY},
        }
        config = folder / "litellm.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        command = [str(Path(interpreter).with_name("litellm")), "--config", str(config)]
        quiet = ENVIRONMENT | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        address = ["--host", "127.0.0.1", "--port", str(port)]
        with launched([*command, *address], port, "/health/liveliness", quiet) as proxy:
            yield Served(f"{proxy}/v1", upstream.model)


@contextmanager
def transformers_serve(base: Path, cache: Path) -> Iterator[Served]:
    """transformers' own server. `cache` is an empty folder: without one its list of models fails."""
    port = free_port()
    command = [
        *[python("servers"), "-m", "transformers.cli.transformers", "serve", base.name, "--host", "127.0.0.1"],
        *["--port", str(port), "--device", "cpu", "--dtype", "float32"],
    ]
    environment = ENVIRONMENT | {"HF_HUB_CACHE": str(cache), "PYTHONPATH": ""}
    with launched(command, port, "/health", environment, base.parent) as address:
        yield Served(f"{address}/v1", base.name)
