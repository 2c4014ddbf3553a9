"""The server's command refuses what would be unsafe, before it loads a model."""

import json
import socket
import sys
from pathlib import Path

import pytest

from stages.tools.serve import TOKEN, main
from tests.conftest import run


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "1")  # which the command sets: put back after a test


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_need_a_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    arguments = ["/x", "--host", host, "--port", "0"]
    result = run(main, *arguments)
    assert (result.exit_code, result.output) == (
        1,
        f"Error: other machines reach {host}: set LABELS_SERVE_TOKEN to the token that they need\n",
    )
    monkeypatch.setenv(TOKEN, "")
    assert run(main, *arguments).output == result.output
    monkeypatch.setenv(TOKEN, "t0ken")
    assert "params.yaml is missing" in run(main, *arguments).output


@pytest.mark.parametrize("token", ["two words", "line\n", "Schlüssel", "\x7f"])
def test_a_token_that_no_header_can_bear(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, token)
    result = run(main, "/x", "--port", "0")
    assert result.output == "Error: LABELS_SERVE_TOKEN must be printable ASCII without blanks\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_this_machine_needs_none(host: str) -> None:
    assert "params.yaml is missing" in run(main, "/x", "--host", host, "--port", "0").output


@pytest.mark.parametrize("host", ["", "nowhere.invalid", "a" * 70, "192.0.2.1"])
def test_an_address_that_is_not_this_machines_is_a_line(host: str) -> None:
    result = run(main, "/x", "--host", host)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {host}, port 8765: ")
    assert result.output.count("\n") == 1


def test_a_port_that_is_taken_is_a_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run(main, "/x", "--port", str(other.getsockname()[1]))
    assert result.exit_code == 1
    assert "Address already in use" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stages.gating.service", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    result = run(main, "/x", "--port", "0")
    assert result.output == f"Error: {package} isn't installed: pip install '.[serve]'\n"


def test_what_a_project_lacks_is_a_line(project: Path) -> None:
    adapter = project / "data" / "adapters" / "smollm2_135m"
    file = project / "data" / "gate.json"
    assert run(main, adapter, "--port", "0").output == f"Error: {file} is missing: run dvc repro gate\n"
    (project / "data").mkdir()
    threshold = {"log_odds": 0, "temperature": 1}
    of_question = {"question": "is_question", "thresholds": {"smollm2_135m": threshold}}
    of_no_question = {"smollm2_135m": threshold}
    for content in (of_question, of_no_question):
        file.write_text(json.dumps(content))
        assert run(main, adapter, "--port", "0").output == (
            f"Error: {file} is not of the question needs_context, which params.yaml has: run dvc repro gate\n"
        )
    file.write_text(json.dumps({"question": "needs_context", "thresholds": {"other": threshold}}))
    assert run(main, adapter, "--port", "0").output == (
        f"Error: {file} has no threshold of smollm2_135m: run dvc repro gate\n"
    )
    file.write_text(json.dumps({"question": "needs_context", "thresholds": {"smollm2_135m": threshold}}))
    for folder in (project / "data" / "base" / "smollm2_135m", adapter):
        assert run(main, adapter, "--port", "0").output == (
            f"Error: {folder} is missing: run dvc repro gate, or dvc pull\n"
        )
        folder.mkdir(parents=True)
