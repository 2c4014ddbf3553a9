"""Data and adapters between clones, through a real S3 server and through a folder."""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clones import NOTHING, call, commit, contents, cut, environment, stages_run
from tests.conftest import change_params
from tests.s3 import BUCKET, KEYS, S3

FILES = 100  # of each adapter here: a kill falls between them
WRITE_ADAPTER = f"""
import pathlib, random, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
for i in range({FILES}):
    (folder / f"{{i}}.safetensors").write_bytes(random.Random(f"{{folder}} {{i}}").randbytes(50_000))
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    folder = tmp_path_factory.mktemp("s3") / "data"
    folder.mkdir()
    server = S3(folder)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def finished_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose pipeline ran over a chat under DVC: the real ingest and concat, and a stand-in for train."""
    train = {"cmd": "python write.py data/adapters/${item}", "deps": ["write.py"], "outs": ["data/adapters/${item}"]}
    folder = cut(tmp_path_factory.mktemp("finished"), {"train": {"foreach": "${finetune}", "do": train}})
    (folder / "write.py").write_text(WRITE_ADAPTER)
    call(folder, "dvc", "add", "data/room.jsonl")
    call(folder, "dvc", "repro")
    commit(folder, "finished")
    return folder


@pytest.fixture
def mine(finished_clone: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_clone, tmp_path / "mine")


def remote(folder: Path, url: str, endpoint: str = "") -> None:
    call(folder, "make", "--old-file=.venv/.ready", "remote", f"URL={url}", f"ENDPOINT={endpoint}")
    commit(folder, "remote")


def clone(mine: Path, name: str = "theirs") -> Path:
    """Another clone, as git has it."""
    call(mine.parent, "git", "clone", "--quiet", mine.name, name)
    return mine.parent / name


def files_in(folder: Path) -> dict[str, bytes]:
    """What a clone has in data/ and metrics/."""
    return {f"{part}/{name}": file for part in ("data", "metrics") for name, file in contents(folder / part).items()}


def nothing_is_corrupt(cache: Path) -> int:
    """Each file of DVC's cache has the content that its name says; how many there are."""
    files = [file for file in (cache / "files" / "md5").rglob("*") if file.is_file()]
    for file in files:
        assert hashlib.md5(file.read_bytes()).hexdigest() == (file.parent.name + file.name).removesuffix(".dir")
    return len(files)


@pytest.fixture(params=["s3", "folder"])
def connected(request: pytest.FixtureRequest, mine: Path) -> Path:
    """A clone with a remote of its own, an S3 server's or a folder."""
    if request.param == "s3":
        remote(mine, f"s3://{BUCKET}/{mine.parent.name}", request.getfixturevalue("s3").url)
    else:
        remote(mine, str(mine.parent / "storage"))
    return mine


def test_pushed_here_pulled_there(connected: Path) -> None:
    call(connected, "dvc", "push", variables=KEYS)
    other = clone(connected)
    call(other, "dvc", "pull", variables=KEYS)

    assert files_in(other) == files_in(connected)
    assert len(list((other / "data" / "adapters" / "smollm2_135m").iterdir())) == FILES
    assert call(other, "dvc", "metrics", "show", "--json") == call(connected, "dvc", "metrics", "show", "--json")
    assert NOTHING in call(other, "dvc", "status")
    assert stages_run(call(other, "dvc", "repro")) == []
    assert call(other, "git", "status", "--porcelain") == ""

    change_params(other, {"concat.gap_seconds": 100})  # and from what was pulled work goes on
    assert stages_run(call(other, "dvc", "repro")) == ["concat"]
    for folder in (connected, other):
        for file in (folder / ".dvc").rglob("*"):
            assert not file.is_file() or not any(key.encode() in file.read_bytes() for key in KEYS.values()), file


def test_gc_leaves_what_commits_name(connected: Path) -> None:
    call(connected, "dvc", "push", variables=KEYS)
    before = files_in(connected)
    change_params(connected, {"concat.gap_seconds": 61})
    call(connected, "dvc", "repro")
    call(connected, "dvc", "push", variables=KEYS)  # turns that no commit names
    call(connected, "git", "checkout", "--quiet", ".")
    room = connected / "data" / "room.jsonl"
    room.write_text("".join(room.read_text().splitlines(keepends=True)[:200]))
    call(connected, "dvc", "add", "data/room.jsonl")
    call(connected, "dvc", "repro")
    call(connected, "dvc", "push", variables=KEYS)
    commit(connected, "a shorter log")
    after = files_in(connected)
    assert after["data/turns.jsonl"] != before["data/turns.jsonl"]

    assert "Removed 1 objects from remote." in call(
        connected, "dvc", "gc", "--all-commits", "--cloud", "--force", variables=KEYS
    )
    other = clone(connected)
    call(other, "dvc", "pull", variables=KEYS)
    assert files_in(other) == after
    call(other, "git", "checkout", "--quiet", "HEAD^")
    call(other, "dvc", "pull", variables=KEYS)
    assert files_in(other) == before

    call(connected, "dvc", "gc", "--workspace", "--cloud", "--force", variables=KEYS)  # only what is here now
    last = clone(connected, "last")
    call(last, "dvc", "pull", variables=KEYS)
    assert files_in(last) == after
    call(last, "git", "checkout", "--quiet", "HEAD^")
    assert "data/turns.jsonl" in call(last, "dvc", "pull", fails=True, variables=KEYS)


@pytest.mark.parametrize(
    ("bucket", "keys", "message"),
    [
        (BUCKET, KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "Forbidden"),
        (BUCKET, KEYS | {"AWS_ACCESS_KEY_ID": "wrong"}, "Forbidden"),
        (BUCKET, dict.fromkeys(KEYS, "") | {"AWS_EC2_METADATA_DISABLED": "true"}, "Unable to locate credentials"),
        ("missing", KEYS, "The specified bucket does not exist"),
    ],
)
def test_wrong_keys_or_bucket(mine: Path, s3: S3, bucket: str, keys: dict[str, str], message: str) -> None:
    nobody = {"HOME": str(mine.parent)}  # nor are there keys in ~/.aws
    remote(mine, f"s3://{bucket}/{mine.parent.name}", s3.url)
    assert message in call(mine, "dvc", "push", fails=True, variables=keys | nobody)
    other = clone(mine)
    assert message in call(other, "dvc", "pull", fails=True, variables=keys | nobody)
    assert files_in(other).keys() < files_in(mine).keys()

    for folder in (mine, other):
        remote(folder, f"s3://{BUCKET}/{mine.parent.name}", s3.url)
    call(mine, "dvc", "push", variables=KEYS)
    call(other, "dvc", "pull", variables=KEYS)
    assert files_in(other) == files_in(mine)
    assert NOTHING in call(other, "dvc", "status")


def output_of_killed(server: S3, folder: Path, command: str, count_done: Callable[[], int]) -> str:
    """What a DVC command says whose server is killed when a third of all files is done."""
    process = subprocess.Popen(
        ["dvc", command, "--jobs", "1"],
        cwd=folder,
        env=environment(**KEYS, AWS_MAX_ATTEMPTS="1"),  # by default it tries for many seconds
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while count_done() < FILES:  # it works for a moment and stands still while what is done is counted
        assert process.poll() is None, "it was done before the server was killed"
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
    server.kill()
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    return output


@pytest.fixture
def mortal_s3(tmp_path: Path) -> Iterator[S3]:
    (tmp_path / "s3").mkdir()
    server = S3(tmp_path / "s3")
    yield server
    server.kill()


def test_a_server_killed_in_the_middle_of_a_push(mine: Path, mortal_s3: S3) -> None:
    remote(mine, f"s3://{BUCKET}/store", mortal_s3.url)
    output = output_of_killed(mortal_s3, mine, "push", lambda: len(mortal_s3.names("store")))
    assert "Could not connect to the endpoint" in output or "failed to push" in output, output

    mortal_s3.start()
    stored = mortal_s3.objects("store")
    assert FILES <= len(stored) < 3 * FILES
    assert all(name.removesuffix(".dir") == content for name, content in stored.items())
    other = clone(mine)
    assert "data/adapters/smollm2_135m" in call(other, "dvc", "pull", fails=True, variables=KEYS)
    call(mine, "dvc", "push", variables=KEYS)
    stored = mortal_s3.objects("store")
    assert len(stored) > 3 * FILES
    assert all(name.removesuffix(".dir") == content for name, content in stored.items())
    call(other, "dvc", "pull", variables=KEYS)
    assert files_in(other) == files_in(mine)
    assert NOTHING in call(other, "dvc", "status")


def test_a_server_killed_in_the_middle_of_a_pull(mine: Path, mortal_s3: S3) -> None:
    remote(mine, f"s3://{BUCKET}/store", mortal_s3.url)
    call(mine, "dvc", "push", variables=KEYS)
    other = clone(mine)
    cache = other / ".dvc" / "cache"
    output = output_of_killed(
        mortal_s3, other, "pull", lambda: sum(file.is_file() for file in cache.glob("files/md5/*/*"))
    )
    assert "Could not connect to the endpoint" in output, output
    assert FILES <= nothing_is_corrupt(cache) < 3 * FILES

    mortal_s3.start()
    call(other, "dvc", "pull", variables=KEYS)
    assert nothing_is_corrupt(cache) > 3 * FILES
    assert files_in(other) == files_in(mine)
    assert NOTHING in call(other, "dvc", "status")
