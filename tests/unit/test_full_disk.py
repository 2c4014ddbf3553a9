"""A full disk: one line that names the folder, nothing half written, and the next run finishes."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from stages import annotate, concat, export, filter, filter_probes, floor, ingest, judge_filter, score, validate
from stages.pipeline.command import full_disk
from stages.pipeline.temporary import temporary_folder
from tests.conftest import RULES_ALONE, change_params, copy_settings, run, write_random_states
from tests.labelling import file_of


class Disk:
    """A small file system: a tmpfs where this user may mount one, otherwise a folder and a limit on files' size."""

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir()
        self.folder = folder
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        self.mounted = not subprocess.run(mount, capture_output=True).returncode

    @contextmanager
    def full(self) -> Iterator[None]:
        if not self.mounted:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            return
        filler = self.folder / "filler"
        with filler.open("wb") as file:
            while True:
                try:
                    os.write(file.fileno(), bytes(4096))
                except OSError:
                    break
        try:
            yield
        finally:
            filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    small_disk = Disk(tmp_path / "disk", "16m")
    yield small_disk
    if small_disk.mounted:
        subprocess.run(["umount", str(small_disk.folder)], check=True)


def chat_line(n: int) -> str:
    """Every second message asks something; each room has five people."""
    text = f"Does the build number {n} work on your machine?" if n % 2 else f"It does, and number {n} is faster."
    row = {"room": f"room {n // 5}", "sender": f"person {n % 5}", "text": text, "timestamp": 1_700_000_000 + 30 * n}
    return json.dumps(row) + "\n"


def label(item: dict[str, Any]) -> str:
    row = {"id": item["id"], "annotator": "ann", "label": ["needed", "not_needed"][item["position"] % 2]}
    return json.dumps(row | {"at": 1_700_000_000, "seconds": None, "guideline": "0" * 12}) + "\n"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


STAGES: dict[str, tuple[Any, str]] = {
    "ingest": (ingest.main, "room.jsonl messages.jsonl imported.jsonl ingest_rejects.jsonl ingest_n.json ingest.json"),
    "concat": (concat.main, "messages.jsonl turns.jsonl concat_n.json concat.json"),
    "filter_probes": (filter_probes.main, "turns.jsonl annotations base filter_probes.safetensors"),
    "score": (score.main, "turns.jsonl base scores.jsonl score.json"),
    "filter": (filter.main, "turns.jsonl scores.jsonl inquiries.jsonl filter_rejects.jsonl filter_n.json filter.json"),
    "judge_filter": (
        judge_filter.main,
        "turns.jsonl scores.jsonl filter_probes.safetensors annotations judged_n.json judged.json plot.json",
    ),
    "annotate": (
        annotate.main,
        "inquiries.jsonl annotations imported.jsonl labelled.jsonl queue.jsonl annotate_rejects.jsonl"
        " annotate_n.json annotate.json kappa.json agreement.json",
    ),
    "validate": (validate.main, "messages.jsonl turns.jsonl inquiries.jsonl labelled.jsonl valid.jsonl"),
    "export": (
        export.main,
        "valid.jsonl inquiries.jsonl base items.jsonl alpaca export_rejects.jsonl export_n.json export.json",
    ),
    "floor": (floor.main, "items.jsonl states.safetensors floor floor_details"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that all of STAGES have run in."""
    folder = tmp_path_factory.mktemp("finished")
    copy_settings(folder)
    change_params(
        folder,
        {
            "ingest.format": "jsonl",
            "ingest.columns.group": "room",
            "annotate.policy": "majority",
            "evaluate.bootstrap": 50,
        }
        | RULES_ALONE,
    )
    (folder / "room.jsonl").write_text("".join(map(chat_line, range(1500))))
    (folder / "annotations" / "needs_context").mkdir(parents=True)
    (folder / "base").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CHAT_KEY", "a secret of the test")
        for name in STAGES:
            if name == "annotate":
                labels = "".join(label(item) for item in lines(folder / "inquiries.jsonl"))
                file_of(folder / "annotations").write_text(labels)
                write_random_states(folder / "inquiries.jsonl", folder / "states.safetensors")
            assert_done(run_stage(name, folder))
    return folder


def run_stage(name: str, folder: Path) -> Any:
    main, arguments = STAGES[name]
    return run(main, *(folder / argument for argument in arguments.split()))


def assert_done(result: Any) -> None:
    assert result.exit_code == 0, result.output


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_on_a_full_disk(name: str, disk: Disk, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = disk.folder / "project"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CHAT_KEY", "a secret of the test")
    before = contents(folder)
    with disk.full():
        result = run_stage(name, folder)
    assert result.exit_code == 1, result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("Error: "))
    assert re.match(rf"Error: {folder}[^:]*: (no space is left|the file grew too large); make room", line), line
    after = contents(folder)
    assert after.keys() <= before.keys()  # no .part, nothing new
    whole = contents(finished)
    assert {path: after[path] for path in after} == {path: whole[path] for path in after}
    assert_done(run_stage(name, folder))
    assert contents(folder) == whole


def test_ingest_with_a_full_temporary_folder(
    finished: Path, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB lost 50,000 of these without a word, where rows were inserted from an arrow table."""
    if not disk.mounted:
        pytest.skip("a temporary folder that fills up in the middle needs a mounted tmpfs")
    subprocess.run(["mount", "-o", "remount,size=4500k", str(disk.folder)], check=True)
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    change_params(folder, {"ingest.limit": None})
    (folder / "room.jsonl").write_text("".join(map(chat_line, range(60_000))))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CHAT_KEY", "a secret of the test")
    before = contents(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    result = run_stage("ingest", folder)
    assert result.exit_code == 1
    assert re.search(rf"^Error: {disk.folder}\S*: no space is left", result.output, re.MULTILINE), result.output
    assert contents(folder) == before
    assert contents(disk.folder) == {}
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert_done(run_stage("ingest", folder))
    assert json.loads((folder / "ingest.json").read_text())["messages_in"] == 60_000
    assert len(lines(folder / "messages.jsonl")) == 60_000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "no space is left"),
        (OSError(122, "Disk quota exceeded"), "your quota is used up"),
        (RuntimeError("IO Error: could not write: No space left on device"), "no space is left"),
        (OSError(2, "No such file or directory"), None),
        (ValueError("no"), None),
    ],
)
def test_what_a_full_disk_says(error: Exception, message: str | None) -> None:
    assert full_disk(error) == message
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = error
    assert full_disk(wrapped) == message


HOLDING = """
import sys, time
from stages.pipeline.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "message").write_text("masked")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_goes_and_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    runs = [subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        folders = [Path(run.stdout.readline().strip()) for run in runs if run.stdout]
        assert all((folder / "message").exists() for folder in folders)
        assert all(folder.stat().st_mode & 0o077 == 0 for folder in (*folders, folders[0].parent))
        runs[0].kill()
        runs[0].wait()
        with temporary_folder() as mine:
            assert not folders[0].exists()
            assert folders[1].exists()
            assert mine.exists()
        assert not mine.exists()
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def test_a_place_that_is_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"labels-by-law-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(click.ClickException, match="belongs to somebody else: set TMPDIR"), temporary_folder():
        pass
