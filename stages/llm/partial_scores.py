"""The scores of a scoring that goes on, or that was stopped: a file of JSON lines, which grows by one with each part.

The first line has the fingerprint of what is scored and how. A line that a kill has cut off is passed over.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow

from stages.llm.scorers import PROBES
from stages.llm.scoring import SCORES, Part, collected
from stages.llm.weights import fingerprint
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.params import Params

PARTIAL_SCORES = "partial_scores.jsonl"  # beside the table of scores


class PartialScores(NamedTuple):
    """Rows of SCORES of the `turn_count` turns with the smallest ids, up to `last_id`, which is -1 where there are
    none.
    """

    turn_count: int
    last_id: int
    scores: pyarrow.Table


def scoring_fingerprint(turns: Path, p: Params) -> str:
    """Pins the table of turns, the scorers, their models and what these have learnt."""
    files = [Path(scorer.adapter) for scorer in p.score.scorers if scorer.adapter]
    files += [p.asking(IS_QUESTION).question.definition.folder] if files else []
    if any(scorer.kind == "probe" for scorer in p.score.scorers):
        files.append(turns.with_name(PROBES))
    models = {scorer.model: p.models[scorer.model].model_dump() for scorer in p.score.scorers if scorer.model}
    text = json.dumps([fingerprint(turns), p.score.model_dump(), models, *map(fingerprint, files)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def saved_parts(parts: Iterable[Part], file: Path, scoring: str) -> Iterator[Part]:
    """The parts, each once it is in the file. `scoring` is the fingerprint; what was in the file before goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps({"scoring": scoring}) + "\n")
        for part in parts:
            line = {"turn_count": part.turn_count, "last_id": part.last_id, "scores": part.scores.to_pydict()}
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            yield part


def read_partial_scores(file: Path, scoring: str) -> PartialScores | None:
    """The scores so far; None where they are of another scoring."""
    with file.open(encoding="utf-8") as lines:
        whole_lines = (line for line in lines if line.endswith("\n"))
        if next(whole_lines, "") != json.dumps({"scoring": scoring}) + "\n":
            return None
        parts = [_parsed(line) for line in whole_lines]
    last_id = parts[-1].last_id if parts else -1
    return PartialScores(sum(part.turn_count for part in parts), last_id, collected(parts))


def _parsed(line: str) -> Part:
    raw = json.loads(line)
    return Part(raw["turn_count"], raw["last_id"], {}, pyarrow.Table.from_pydict(raw["scores"], schema=SCORES))
