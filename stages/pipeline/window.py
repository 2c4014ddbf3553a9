"""`question.window` as a number of turns; the stage window chooses it where it is auto."""

from pathlib import Path

from stages.pipeline.files import read_json
from stages.pipeline.params import Params

WINDOW = Path("data/window.json")


def with_window(p: Params, project: Path = Path()) -> Params:
    """The parameters with the window that the stage window chose in a project, where `question.window` is auto."""
    if p.question.window != "auto" or not (project / WINDOW).exists():
        return p
    window = read_json(project / WINDOW)
    if not window["is_auto"]:  # of a run before auto was set
        return p
    return p.model_copy(update={"question": p.question.model_copy(update={"window": window["turns"]})})
