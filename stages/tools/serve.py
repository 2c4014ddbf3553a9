"""Answer over HTTP a tuned model's question, such as whether a message needs its context: docs/assistant.md.

    python -m stages.tools.serve data/adapters/smollm2_135m [--host 127.0.0.1] [--port 8765]

The adapter lies in a project that has run. Where other machines can reach the server, each request needs the token
that the environment variable LABELS_SERVE_TOKEN holds. Ctrl-C ends the server.
"""

import os
import socket
from contextlib import closing, suppress
from ipaddress import ip_address
from pathlib import Path

import click

from stages.pipeline.command import Command

TOKEN = "LABELS_SERVE_TOKEN"
CONNECTIONS = 256  # open at a time, each with a body of up to 1 MiB


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address, which takes no connection yet. Raises click.ClickException where there is none."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(f"{host}, port {port}: {error}") from error
    return bound


def required_token(address: str) -> str | None:
    """The token that requests to an address must bear; none is needed where this machine alone reaches it. Raises
    click.ClickException where it is missing or can't stand in a header.
    """
    token = os.environ.get(TOKEN, "")
    if not token and not ip_address(address).is_loopback:
        raise click.ClickException(f"other machines reach {address}: set {TOKEN} to the token that they need")
    if not all("!" <= character <= "~" for character in token):
        raise click.ClickException(f"{TOKEN} must be printable ASCII without blanks")
    return token or None


@click.command(cls=Command, help=__doc__)
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free")
def main(adapter: Path, host: str, port: int) -> None:
    os.environ["TQDM_DISABLE"] = "1"  # before tqdm is imported: a long question would draw a bar
    import uvicorn

    from stages.gating.gate import Gate
    from stages.gating.service import application

    with closing(bind(host, port)) as listener:
        address, bound_port, *_ = listener.getsockname()
        token = required_token(address)
        app = application(Gate.load(adapter), token, adapter.name)
        listener.listen()
        shown = f"[{address}]" if ":" in address else address
        click.echo(f"http://{shown}:{bound_port}/docs describes the routes; Ctrl-C ends the server")
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", limit_concurrency=CONNECTIONS)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
