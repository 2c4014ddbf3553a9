"""What the repository holds: a sound workflow, no keys, and nothing that it ignores."""

from typing import Any

from ruamel.yaml import YAML

from tests.clones import call
from tests.conftest import ROOT


def workflow() -> dict[str, Any]:
    """With `on` as text, which YAML 1.1 reads as true."""
    return YAML(typ="safe", pure=True).load((ROOT / ".github/workflows/checks.yml").read_text())


def test_the_workflow_is_sound() -> None:
    """actionlint, and what it can't know: the targets that the steps call are the Makefile's."""
    call(ROOT, "actionlint", ".github/workflows/checks.yml")
    runs = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {
        word for run in runs for line in run.splitlines() if line.startswith("make ") for word in line.split()[1:]
    }
    assert targets == {"setup", "lint", "test"}
    rules = "".join((ROOT / name).read_text() for name in ("Makefile", "development.mk"))
    for target in targets:
        assert f"\n{target}: " in rules, target


def test_the_workflow_runs_on_main_and_two_pythons_and_comments_without_torch() -> None:
    checks = workflow()
    assert checks["on"] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert checks["jobs"]["check"]["strategy"]["matrix"] == {"python": ["3.11", "3.13"]}
    comment = checks["jobs"]["comment"]
    assert comment["if"] == "github.event_name == 'pull_request'"
    runs = [step["run"] for step in comment["steps"] if "run" in step]
    assert runs[0] == "pip install --constraint constraints.txt --requirement requirements/comment.txt"
    assert "make" not in " ".join(runs)


def test_keys_stand_at_the_one_step_that_needs_them() -> None:
    """What a pull request brings is run in the other steps."""
    text = (ROOT / ".github/workflows/checks.yml").read_text()
    checks = workflow()
    assert "env" not in checks
    assert checks["permissions"] == {}
    with_secrets = {}
    for job in checks["jobs"].values():
        assert "env" not in job
        for step in job["steps"]:
            assert "${{" not in step.get("run", "") + step.get("if", "")  # a branch's name is data
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            if secrets := {name for name, value in step.get("env", {}).items() if "secrets." in value}:
                with_secrets[step["run"]] = secrets
    pull, comment = with_secrets
    assert "dvc pull" in pull and with_secrets[pull] == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert "cml comment" in comment and with_secrets[comment] == {"REPO_TOKEN"}
    assert text.count("secrets.") == 3
    permissions = {name: job["permissions"] for name, job in checks["jobs"].items()}
    assert permissions == {
        "check": {"contents": "read"},
        "comment": {"contents": "read", "pull-requests": "write"},
    }


def test_the_repository_holds_no_keys() -> None:
    for line in (ROOT / ".dvc" / "config").read_text().splitlines():
        assert line.partition("=")[0].strip() not in ("access_key_id", "secret_access_key", "session_token"), line


def test_nothing_that_git_holds_is_ignored() -> None:
    assert call(ROOT, "git", "ls-files", "--cached", "--ignored", "--exclude-standard") == ""
