"""Which inquiries an annotator labels next: those that readers choose, and random ones for dev and test.

Readers choose on the side of train alone. The side of an inquiry is settled by stages/labels/splitting.py before
anybody labels it, so dev and test stay random samples.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from stages.judging.hidden_states import read_states
from stages.judging.metrics import Floats
from stages.labels.annotator_file import AnnotatorFile
from stages.labels.readers import Readers, can_learn
from stages.labels.selection import Items, lines_of_others
from stages.labels.settling import settle_inquiries
from stages.labels.splitting import sides
from stages.pipeline.params import Export, Params
from stages.pipeline.schemas import BY_READERS

STATES = Path("data/states.safetensors")
BATCH = 10  # items, after which the readers learn again
Usefulness = Callable[[Mapping[int, bool], Sequence[int]], Floats]  # of items by id, for readers of these labels


class Batches:
    """Batches of `items`, which come in a random order.

    `sides_by_id` has the side of each, `usefulness` what the readers say of those of train.
    """

    def __init__(self, items: Items, sides_by_id: Mapping[int, str | None], usefulness: Usefulness, p: Export):
        self.items, self.sides_by_id, self.usefulness = items, sides_by_id, usefulness
        self.held_out_count = min(BATCH - 1, max(1, round(BATCH * (p.dev + p.test))))  # in each batch

    def batch(self, labels: Mapping[int, bool], taken_ids: AbstractSet[int]) -> Items:
        """The next items without those taken, each with how it was `chosen`; at most BATCH, and none at the end.

        `labels` says of labelled items whether their label is positive. Dev and test together have their share, in
        the order of `items`; the others come from train, those first that are most useful to readers of its labels.
        Where one of the two has no items left, the other fills the batch. Items between two blocks of time never come.
        """
        available = [item for item in self.items if item["id"] not in taken_ids]
        held_out = [item | {"chosen": "random"} for item in available if self.side(item) in ("dev", "test")]
        to_learn = [item for item in available if self.side(item) == "train"]
        held_out_count = max(self.held_out_count, BATCH - len(to_learn))
        batch = held_out[:held_out_count]
        batch += self.most_useful(to_learn, labels, BATCH - len(batch))
        random.Random(f"{[item['id'] for item in batch]}").shuffle(batch)  # whoever stops early has both
        return batch

    def side(self, item: Mapping[str, Any]) -> str | None:
        return self.sides_by_id.get(item["id"])

    def most_useful(self, items: Items, labels: Mapping[int, bool], count: int) -> Items:
        """The items that teach readers most, or the first ones where too few labels are on the side of train."""
        of_train = {id: label for id, label in labels.items() if self.sides_by_id.get(id) == "train"}
        if not items or not can_learn(of_train):
            return [item | {"chosen": "random"} for item in items[:count]]
        usefulness = self.usefulness(of_train, [item["id"] for item in items])
        order = (-usefulness).argsort(kind="stable")
        return [items[place] | {"chosen": BY_READERS} for place in order[:count]]


class NextItems:
    """The next items for one annotator, who works with `label_file`; items that anybody has labelled are left out.

    Raises click.ClickException for label files or hidden states that can't be read.
    """

    def __init__(self, inquiries: Items, annotations: Path, label_file: AnnotatorFile, p: Params):
        readers = Readers(read_states(STATES), inquiries)
        self.batches = Batches(inquiries, sides(inquiries, p.export), readers.uncertainty, p.export)
        self.ids = [item["id"] for item in inquiries]
        self.annotations, self.label_file, self.policy = annotations, label_file, p.annotate
        self.votes_of_others: dict[int, dict[str, str]] = {}

    def batch(self, pending_ids: AbstractSet[int]) -> Items:
        """The next batch without the items that are pending, by readers of all annotators' labels so far."""
        self.votes_of_others = self.read_votes_of_others()
        votes_by_id = self.votes()
        settlement = settle_inquiries(self.ids, votes_by_id, self.policy, self.label_file.question)
        return self.batches.batch(settlement.labels_by_id, votes_by_id.keys() | pending_ids)

    def random_batch(self, pending_ids: AbstractSet[int]) -> Items:
        """The next batch without the readers, for when they fail."""
        return self.batches.batch({}, self.votes().keys() | pending_ids)

    def read_votes_of_others(self) -> dict[int, dict[str, str]]:
        """The current labels of the other annotators, by item and annotator."""
        lines_by_id = lines_of_others(self.label_file.annotator, self.annotations, self.label_file.question)
        return {
            id: {line["annotator"]: line["label"] for line in lines if line["label"]}
            for id, lines in lines_by_id.items()
        }

    def votes(self) -> dict[int, dict[str, str]]:
        """The current labels by item and annotator: this one's as they are, the others' as last read."""
        votes_by_id = {id: dict(votes) for id, votes in self.votes_of_others.items() if votes}
        for id, line in list(self.label_file.lines.items()):  # the annotator goes on while readers learn
            if line["label"]:
                votes_by_id.setdefault(id, {})[self.label_file.annotator] = line["label"]
        return votes_by_id
