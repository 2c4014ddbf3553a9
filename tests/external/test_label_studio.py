"""The round trip through a real Label Studio server: tasks in, two people annotate, exports come back as labels."""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from stages.labels import store
from stages.labels.annotator_file import open_for
from stages.pipeline.schemas import Inquiry, Score
from stages.pipeline.tables import from_rows, write
from tests.conftest import QUESTION, ROOT, inquiry
from tests.labelling import file_of, lines
from tests.unit.test_labels import call

SERVER = ROOT / ".venv-label-studio" / "bin" / "label-studio"
pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="Label Studio is not installed: make test-all")
USERS = ("ann@example.org", "bob@example.org")
PASSWORD = "only for this test"
LABELS = list(QUESTION.labels)


class Client(requests.Session):
    """A browser session; Label Studio refuses its older tokens by default."""

    def __init__(self, url: str, email: str, path: str = "/user/login/"):
        super().__init__()
        self.url = url
        self.get(url + path).raise_for_status()
        form = {"email": email, "password": PASSWORD, "csrfmiddlewaretoken": self.cookies["csrftoken"]}
        self.post(url + path, data=form).raise_for_status()

    def api(self, method: str, path: str, **more: Any) -> Any:
        headers = {"X-CSRFToken": self.cookies["csrftoken"], "Referer": self.url}
        answer = self.request(method, f"{self.url}/api/{path}", headers=headers, **more)
        assert answer.ok, (path, answer.status_code, answer.text[:500])
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("label_studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_HOST": f"http://127.0.0.1:{port}",
        "COLLECT_ANALYTICS": "0",
        "LATEST_VERSION_CHECK": "0",
    }
    command = [SERVER, "start", "--no-browser", "--port", port, "--username", USERS[0], "--password", PASSWORD]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                if requests.get(f"{url}/health", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(1)
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_two_annotators_and_back(server: str, project: Path) -> None:
    annotations = project / "data" / "annotations"
    annotations.mkdir(parents=True)
    items = [inquiry(2**53 - 1 - i, f"那这个 {i}? <b>&amp;") for i in range(12)]  # ids at the edge of a double
    write(project / "data" / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    doubt = [{"id": item["id"], "scorer": "is_question", "score": 1.0} for item in items]
    write(project / "data" / "scores.jsonl", from_rows(doubt, Score), Score)
    assert call("tasks", "studio").exit_code == 0

    ann = Client(server, USERS[0])
    config = (project / "studio" / "config.xml").read_text()
    room = ann.api("POST", "projects", json={"title": "room", "label_config": config}).json()["id"]
    tasks = json.loads((project / "studio" / "tasks.json").read_text())
    ann.api("POST", f"projects/{room}/import", json=tasks)
    server_tasks = ann.api("GET", f"tasks?project={room}&fields=all&page_size=100").json()["tasks"]
    assert {task["data"]["inquiry"] for task in server_tasks} == {item["id"] for item in items}
    assert all(task["predictions"] for task in server_tasks)

    invitation = ann.api("GET", "invite").json()["invite_url"]
    people = {"ann": ann, "bob": Client(server, USERS[1], invitation.removeprefix(server))}
    names = {person.api("GET", "current-user/whoami").json()["id"]: name for name, person in people.items()}
    rng = random.Random(0)
    expected: dict[int, dict[str, str]] = {}
    for task in server_tasks:
        for name, person in people.items():
            for attempt in range(2):  # everybody thinks again
                label = rng.choice(LABELS)
                choice = {"from_name": "label", "to_name": "chat", "type": "choices", "value": {"choices": [label]}}
                body = {"result": [choice], "lead_time": 2.5}
                if attempt == 0:
                    annotation_id = person.api("POST", f"tasks/{task['id']}/annotations", json=body).json()["id"]
                else:
                    person.api("PATCH", f"annotations/{annotation_id}", json=body)
            expected.setdefault(task["data"]["inquiry"], {})[name] = label

    first, second, *_ = server_tasks
    choice = {"from_name": "label", "to_name": "chat", "type": "choices", "value": {"choices": ["needed"]}}
    bob = people["bob"]
    bob.api("POST", f"tasks/{first['id']}/annotations", json={"result": [choice], "was_cancelled": True})
    bob.api("POST", f"tasks/{second['id']}/drafts", json={"result": [choice], "lead_time": 1})

    rename = [word for id, name in names.items() for word in ("--rename", f"{id}={name}")]
    for kind, new in (("JSON", 12), ("JSON_MIN", 0), ("CSV", 0), ("TSV", 0)):  # the same labels four times
        file = project / f"export_{kind}.{kind.lower().removesuffix('_min')}"
        file.write_bytes(ann.api("GET", f"projects/{room}/export?exportType={kind}").content)
        result = call("import", file.name, *rename)
        assert result.exit_code == 0, result.output
        assert f"ann: {new} of 12 labels new" in result.output, (kind, result.output)
        assert f"bob: {new} of 12 labels new" in result.output, (kind, result.output)
        assert ("2 passed over: cancelled 1, draft 1" in result.output) is (kind == "JSON"), result.output
        assert store.votes(store.load(annotations, QUESTION)) == expected, kind
    assert lines(file_of(annotations))[0]["seconds"] == 2.5


def test_labels_into_label_studio_and_back(server: str, project: Path) -> None:
    annotations = project / "data" / "annotations"
    annotations.mkdir(parents=True)
    items = [inquiry(id) for id in (11, 12, 13)]
    write(project / "data" / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    emails = {"ann": USERS[0], "cid": "cid@example.org"}
    for name, note in (("ann", "two\nlines"), ("cid", None)):
        with open_for(name, annotations, QUESTION) as label_file:
            for item, label in zip(items, LABELS, strict=True):
                label_file.append(item["id"], label, 2.5, note)

    rename = [word for pair in emails.items() for word in ("--rename", "=".join(pair))]
    assert "6 labels by 2 annotators" in call("export", "out", "--to", "label-studio", *rename).output
    ann = Client(server, emails["ann"])
    invitation = ann.api("GET", "invite").json()["invite_url"]
    people = {"ann": ann, "cid": Client(server, emails["cid"], invitation.removeprefix(server))}
    config = (project / "out" / "config.xml").read_text()
    room = ann.api("POST", "projects", json={"title": "labelled", "label_config": config}).json()["id"]
    ann.api("POST", f"projects/{room}/import", json=json.loads((project / "out" / "tasks.json").read_text()))
    (project / "back.json").write_bytes(ann.api("GET", f"projects/{room}/export?exportType=JSON").content)

    ids = {person.api("GET", "current-user/whoami").json()["id"]: name for name, person in people.items()}
    rename = [word for id, name in ids.items() for word in ("--rename", f"{id}={name}")]
    assert "cid: 0 of 3 labels new" in call("import", "back.json", *rename).output
    kept = labels_in(annotations)
    for file in annotations.rglob("*.jsonl"):
        file.unlink()
    assert "cid: 3 of 3 labels new" in call("import", "back.json", *rename).output
    assert labels_in(annotations) == kept


def labels_in(annotations: Path) -> list[list[Any]]:
    fields = ("id", "annotator", "label", "seconds", "note")
    return sorted([line[field] for field in fields] for line in store.load(annotations, QUESTION))
