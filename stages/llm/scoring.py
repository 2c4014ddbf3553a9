"""The scores of a log's turns, part by part, in the order of their ids.

Ids are keyed hashes, and so the turns that are scored first are a random sample of the log, the same one that is
labelled first. The first part is small, and each later one is as large as all before it: a larger part fills a
model's batches better, and at least half of what is scored lies in parts that are complete.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ibis
import pyarrow
import pyarrow.compute
from ibis import _
from tqdm import tqdm

from stages.llm.no_answers import NoAnswer
from stages.llm.scorers import Rating, rater
from stages.pipeline.params import Params, Scorer
from stages.pipeline.tables import materialize, rows

FIRST_PART = 1000  # turns
LARGEST_PART = 1_000_000  # turns, whose texts are in memory
SCORES = pyarrow.schema(
    {"id": pyarrow.int64(), "scorer": pyarrow.string(), "score": pyarrow.float64(), "no_answer": pyarrow.string()}
)


class Part(NamedTuple):
    """Turns that are scored together.

    `texts` has the turns, by id, that no scorer has given less than its `next_from`. `scores` has rows of SCORES.
    """

    turn_count: int
    last_id: int
    texts: dict[int, str]
    scores: pyarrow.Table


def score_parts(turns: ibis.Table, base: Path, p: Params) -> Iterator[Part]:
    """The parts of the turns, each with the scores of all scorers. A turn below a scorer's `next_from` is not rated by
    those after it.

    A scorer rates a part as soon as the scorers before it have. A model of vLLM rates all parts before the next scorer
    begins, since it fills its GPU.
    """
    parts: Iterable[Part] = _unscored_parts(turns)
    for scorer in p.score.scorers:
        parts = _rated_parts(parts, scorer, base, p)
        is_last = scorer is p.score.scorers[-1]
        if scorer.model and p.models[scorer.model].engine == "vllm" and not is_last:
            parts = list(parts)
    with tqdm(total=turns.count().execute(), desc="score", unit=" turns", delay=5) as bar:
        for part in parts:
            bar.update(part.turn_count)
            yield part


def collected(parts: Iterable[Part]) -> pyarrow.Table:
    """The scores of all parts, as rows of SCORES."""
    return pyarrow.concat_tables([SCORES.empty_table(), *(part.scores for part in parts)])


def rated_counts(scores: pyarrow.Table, scorers: Sequence[Scorer]) -> dict[str, dict[str, int]]:
    """How many turns each scorer rated and how many have no score, by reason."""
    counts = {}
    for scorer in scorers:
        of_scorer = scores.filter(pyarrow.compute.equal(scores["scorer"], scorer.name))
        reasons = Counter(of_scorer["no_answer"].to_pylist())
        counts[scorer.name] = {"rated": of_scorer.num_rows, **{reason.value: reasons[reason] for reason in NoAnswer}}
    return counts


def _unscored_parts(turns: ibis.Table) -> Iterator[Part]:
    texts = materialize(turns.select("id", "text").order_by("id"))  # in order, so that a part is read by itself
    ids = texts.id.execute().sort_values().to_numpy()
    start, size = 0, FIRST_PART
    while start < len(ids):
        part_ids = ids[start : start + size]
        first_id, last_id = int(part_ids[0]), int(part_ids[-1])
        part = rows(texts.filter(_.id.between(first_id, last_id)).order_by("id"))
        yield Part(len(part), last_id, {row["id"]: row["text"] for row in part}, SCORES.empty_table())
        start += size
        size = min(start, LARGEST_PART)


def _rated_parts(parts: Iterable[Part], scorer: Scorer, base: Path, p: Params) -> Iterator[Part]:
    rate = rater(scorer, base, p)
    for part in parts:
        ratings = rate(list(part.texts.values()))
        rating_by_id = dict(zip(part.texts, ratings, strict=True))
        passing = {
            id: part.texts[id]
            for id, rating in rating_by_id.items()
            if not isinstance(rating, NoAnswer) and rating >= scorer.next_from
        }
        new_scores = [_score_row(id, scorer.name, rating) for id, rating in rating_by_id.items()]
        scores = pyarrow.concat_tables([part.scores, pyarrow.Table.from_pylist(new_scores, schema=SCORES)])
        yield part._replace(texts=passing, scores=scores)


def _score_row(id: int, scorer: str, rating: Rating) -> dict[str, Any]:
    if isinstance(rating, NoAnswer):
        return {"id": id, "scorer": scorer, "score": None, "no_answer": rating.value}
    return {"id": id, "scorer": scorer, "score": rating, "no_answer": None}
