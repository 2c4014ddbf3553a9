"""An annotator who works through the inquiries with the keyboard and is killed now and then.

python -m tests.labelling ANNOTATIONS SEED
"""

import asyncio
import json
import random
import sys
from pathlib import Path

from stages.labels.annotator_file import open_for
from stages.labels.terminal import Annotator
from stages.pipeline.definition import load_definition
from tests.conftest import QUESTION, Row, inquiry

KEYS = {name: value.key for name, value in QUESTION.labels.items()}
N = 500


def file_of(annotations: Path, annotator: str = "ann") -> Path:
    """The file of an annotator's labels of the question needs_context."""
    return annotations / QUESTION.name / f"{annotator}.jsonl"


def lines(file: Path) -> list[Row]:
    """The lines of a label file."""
    return [json.loads(line) for line in file.read_text().split("\n") if line]


async def main(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    with open_for("ann", folder, load_definition(folder.parent, "needs_context")) as label_file:
        labelled_ids = {id for id, line in label_file.lines.items() if line["label"]}
        app = Annotator([inquiry(i) for i in range(N)], labelled_ids, label_file)
        async with app.run_test() as pilot:
            while (id := app.current_id()) is not None:
                key = rng.choice("jki")
                await pilot.press(key)
                print(id, key, flush=True)  # the next item shows: this label is promised to be on the disk


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
