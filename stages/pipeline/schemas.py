"""Every table that passes between stages, as a pandera model: the contract (paper, section 3).

`Config.metadata` names the columns that a table is sorted by, the ones that identify a row, and those that a line may
leave out; an `open` table may have more columns, which are passed over.
Field names are the paper's; `group`, `position`, `messages` and the scorers' booleans are ours.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series

SPLITS = ("train", "dev", "test")
NO_ANSWERS = ("unreadable", "refused", "cut_off")  # the members of stages.llm.no_answers.NoAnswer
ANSWERS = ("positive", "negative", "dont_know", *NO_ANSWERS)
ANSWER_OF_SEED = "answer_of_seed_"  # and the seed: columns of predictions that are of several trainings
BY_READERS = "readers"
WAYS_OF_CHOICE = ("random", "in_order", "queue", "like", BY_READERS)  # how an item came to an annotator
CHOSEN_BY_READERS = "chosen_by_readers"  # a column of labelled items, and the reason why one is in no split
NO_GUIDELINE = "0" * 12  # of labels that stood in a chat export
FROM_EXPORT = "export"  # their annotator, a name that nobody may have
ID: dict[str, Any] = {"ge": 0, "lt": 2**53}  # fits a double, so that no JSON reader rounds it
AT: dict[str, Any] = {"gt": 0, "lt": 10**11}  # epoch seconds; more are milliseconds
IN_GROUP = {"order": ["group", "position"], "key": ["id"]}
BY_SCORER = {"order": ["id", "scorer"], "key": ["id", "scorer"]}
BY_ANNOTATOR = {
    "order": ["annotator", "id", "at"],
    "key": ["annotator", "id", "at"],
    "optional": ["seconds", "note", "given", "chosen"],
}
BY_REASON = {"order": ["reason", "id", "at"], "key": []}


def _is_turn(turn: Any) -> bool:
    fields = {"sender", "text", "timestamp"}
    return turn is not None and set(turn) == fields and all(turn[field] is not None for field in fields)


class Table(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False


class Utterance(Table):
    """What somebody said. `position` counts from 0 in its group, by time, then in the order of the export."""

    id: Series[int] = pa.Field(**ID)
    group: Series[str] = pa.Field(str_length={"min_value": 1})
    position: Series[int] = pa.Field(ge=0)
    sender: Series[str] = pa.Field(str_matches=r"^[0-9a-f]{16}$")
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    timestamp: Series[int] = pa.Field(**AT)

    class Config:
        metadata = IN_GROUP


class Message(Utterance):
    """One message of the log; `reply_to` is the id of the message that it answers, null where the log doesn't say."""

    reply_to: Series[pd.Int64Dtype] = pa.Field(nullable=True, **ID)


class Turn(Utterance):
    """What one sender said in a row: id, position and timestamp of the first of `messages` messages."""

    messages: Series[int] = pa.Field(ge=1)


class Score(Table):
    """What a scorer gave a turn, from 0 to 10; only turns that survived the scorers before it have one.

    A turn that the scorer's model has no answer for has no score but the reason.
    """

    id: Series[int] = pa.Field(**ID)
    scorer: Series[str]
    score: Series[pd.Float64Dtype] = pa.Field(nullable=True, ge=0, le=10)
    no_answer: Series[str] = pa.Field(nullable=True, isin=NO_ANSWERS)

    class Config:
        metadata = BY_SCORER


def windows_are_whole(windows: Any) -> Any:
    """The check `window_of_turns` of Inquiry as an Ibis expression."""
    incomplete = windows.filter(
        lambda turn: turn.isnull() | turn.sender.isnull() | turn.text.isnull() | turn.timestamp.isnull()
    )
    return incomplete.length().fill_null(0) == 0


class Inquiry(Turn):
    """A turn that the question is asked of, with up to 12 turns before it, oldest first. One that passed the filter
    has a true for each scorer; one that was drawn at random has none.
    """

    scorers: Series[bool] | None = pa.Field(alias=r"^([a-z]+_)?is_question$", regex=True, eq=True)
    cr_window: Series[object]

    @pa.check("cr_window")
    def window_of_turns(cls, column: Any) -> Any:
        return column.map(lambda window: all(map(_is_turn, window)))


class Labelled(Inquiry):
    """An inquiry and its label: whether the question's answer is the positive one.

    `chosen_by_readers` says that it is no random item; the column is there where this holds for any item.
    """

    label: Series[bool]
    chosen_by_readers: Series[bool] | None = pa.Field(alias=rf"^{CHOSEN_BY_READERS}$", regex=True)


class Item(Labelled):
    """A labelled inquiry and its side of the split.

    Null between two blocks of time, where the window reaches back, and for an item of dev or test that readers chose.
    """

    split: Series[str] = pa.Field(isin=SPLITS, nullable=True)


class Label(Table):
    """One line of data/annotations/QUESTION/ANNOTATOR.jsonl.

    `label` is one of the question's values, which `label_of` checks, and null where a label was taken back or there is
    only a note. `at` is epoch seconds, `seconds` the time taken (null if not measured), `guideline` the start of the
    sha256 of the guideline that the annotator followed. `given` is when the label was given, if that was before: a
    line with a note, or one that takes a later label back. `chosen` is how the item came to the annotator, null where
    that is not known: in the order of ids, which is random, in that of the log, from a queue, like another
    annotator's, or by readers (labels/readers.py).
    """

    id: Series[int] = pa.Field(**ID)
    annotator: Series[str] = pa.Field(str_matches=r"^[a-z][a-z0-9_]*$")
    label: Series[str] = pa.Field(nullable=True)
    at: Series[int] = pa.Field(gt=0)  # labels/store.py says why another time can't be
    seconds: Series[pd.Float64Dtype] = pa.Field(nullable=True, ge=0)
    guideline: Series[str] = pa.Field(str_matches=r"^[0-9a-f]{12}$")
    note: Series[str] = pa.Field(nullable=True)
    given: Series[pd.Int64Dtype] = pa.Field(nullable=True, gt=0)
    chosen: Series[str] = pa.Field(isin=WAYS_OF_CHOICE, nullable=True)

    class Config:
        metadata = BY_ANNOTATOR


def label_of(values: Sequence[str]) -> type[Label]:
    """The table of the labels of a question whose labels have these values."""

    class LabelOfQuestion(Label):
        label: Series[str] = pa.Field(isin=tuple(values), nullable=True)

    return LabelOfQuestion


class Queue(Table):
    """Items for annotators to look at again, and when the last label that led to it was made, in epoch seconds."""

    id: Series[int] = pa.Field(**ID)
    reason: Series[str] = pa.Field(str_matches=r"^[a-z_]+$")
    at: Series[int] = pa.Field(**AT)

    class Config:
        metadata = {"order": ["reason", "id"], "key": ["id"], "open": True}  # noqa: RUF012


class Reannotate(Queue):
    """Every labelled item, the likeliest wrong first, with what speaks for and against its label.

    `doubt` is the probability that the label is wrong, as far as the evidence goes: `positive_by_NAME`, each model's
    probability of the positive answer (null where it gave none), and `cross_validated`, that of one that hasn't seen
    the label; `votes` of annotators for the label and `against` it, the adjudicator's left out; `biggest_wrong`,
    whether the two biggest models both answer otherwise (the paper's rule), which counts where both show a signal.
    `reason` names the first that speaks against the label.
    """

    rank: Series[int] = pa.Field(ge=1)
    label: Series[str]
    doubt: Series[float] = pa.Field(ge=0, le=1)
    biggest_wrong: Series[bool]
    votes: Series[int] = pa.Field(ge=0)
    against: Series[int] = pa.Field(ge=0)
    cross_validated: Series[float] = pa.Field(ge=0, le=1)
    probabilities: Series[pd.Float64Dtype] = pa.Field(alias=r"^positive_by_.+$", regex=True, nullable=True, ge=0, le=1)

    class Config:
        metadata = {"order": ["rank"], "key": ["id"]}  # noqa: RUF012


class Reject(Table):
    """A row that left the data. `id` where it had one already, else `at`: its place in the raw export."""

    id: Series[pd.Int64Dtype] = pa.Field(nullable=True, **ID)
    at: Series[str] = pa.Field(nullable=True)
    reason: Series[str] = pa.Field(str_matches=r"^[a-z0-9_]+$")

    class Config:
        metadata = BY_REASON


class Prediction(Table):
    """A model's answer to an item.

    Protocol `choice`: the log-probability of each option, the mean over the orders that it was asked in; null for an
    option that the engine has no log-probability of. Protocol
    `generate`: nulls there, and in `said` what the model said in the end, a line for each order. `letters` has the
    letter that was given in each order, `-` where there is none; `turns_lost` counts turns of the history that
    didn't fit.

    Trainings with several seeds have one row for an item: the logarithm of each option's mean probability, letters and
    texts of all seeds, and the answer of each seed in a column of its own.
    """

    id: Series[int] = pa.Field(**ID)
    prompt: Series[str] = pa.Field(str_matches=r"^[a-z][a-z0-9_]*$")
    label: Series[bool]
    positive: Series[pd.Float64Dtype] = pa.Field(nullable=True, le=0)
    negative: Series[pd.Float64Dtype] = pa.Field(nullable=True, le=0)
    dont_know: Series[pd.Float64Dtype] = pa.Field(nullable=True, le=0)
    letters: Series[str] = pa.Field(str_matches=r"^[ABC-]+$")
    said: Series[str] = pa.Field(nullable=True)
    answer: Series[str] = pa.Field(isin=ANSWERS)
    turns_lost: Series[int] = pa.Field(ge=0)
    answers_of_seeds: Series[str] | None = pa.Field(alias=rf"^{ANSWER_OF_SEED}\d+$", regex=True, isin=ANSWERS)

    class Config:
        metadata = {"order": ["prompt", "id"], "key": ["prompt", "id"]}  # noqa: RUF012
