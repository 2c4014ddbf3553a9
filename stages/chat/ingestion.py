"""The two passes over an export that make masked messages of it.

A person may be mentioned before the first message that they send. The first pass therefore learns all names
(screening.py), and the second pass masks each message before it is stored.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import click
import ibis
from ibis import _
from tqdm import tqdm

from stages.chat import Message, Reject
from stages.chat.keys import PUBLIC_KEY, hash_number, keyed_hash, message_id, pseudonym
from stages.chat.masking import mask
from stages.chat.mentions import Names
from stages.chat.screening import (
    CACHED_HASHES,
    ENTRY_COLUMNS,
    OVER_LIMIT,
    TOO_FEW_MESSAGES,
    TOO_FEW_SENDERS,
    ReadExport,
    screened_entries,
    screening_results,
)
from stages.chat.senders import SenderWatch
from stages.chat.spill import Spool, in_order
from stages.pipeline.schemas import FROM_EXPORT, NO_GUIDELINE

ENTRIES = "entries"  # all entries of the export, among the counts
MENTIONS = "mention"
MESSAGE_COLUMNS = {  # `key` and `reply_to_key` are hashes of the export's ids of a message and of the one it answers
    **dict.fromkeys(("id", "position", "timestamp", "key", "reply_to_key"), "int64"),
    **dict.fromkeys(("group", "sender", "text"), "string"),
    "cr_need_gt": "boolean",
}
REJECT_COLUMNS = {"at": "string", "reason": "string"}


class Ingested(NamedTuple):
    """Messages and rejects as tables. `counts` has the entries, those over the limit, and the masks of each kind.
    `proposals` are lines for the user, on senders that may be no people.
    """

    messages: ibis.Table
    rejects: ibis.Table
    counts: Counter[str]
    proposals: list[str]


class RowMasker:
    """Makes rows of messages and rejects, with pseudonyms for people and masks for personal data, which it counts."""

    def __init__(self, key: bytes, names: Names, phone_regions: Sequence[str], counts: Counter[str]) -> None:
        self.key = key
        self.names = names
        self.phone_regions = phone_regions
        self.counts = counts
        self.group_pseudonym = lru_cache(CACHED_HASHES)(self._group_pseudonym)

    def _group_pseudonym(self, group: str) -> str:
        """A hash of the group's name. The sample's names are public, and stay."""
        return group if self.key == PUBLIC_KEY else keyed_hash(self.key, "group", group)

    def message_row(self, message: Message, screening: dict[str, Any]) -> dict[str, Any]:
        """A row of MESSAGE_COLUMNS. The id is made of the message before it is masked."""
        text, mentions = self.names.hide(message.text)
        self.counts[MENTIONS] += mentions
        return {
            "id": message_id(self.key, message, screening["repeat"]),
            "group": self.group_pseudonym(message.group),
            "position": screening["position"],
            "sender": self.names.pseudonym(message.sender),
            "text": mask(text, self.phone_regions, self.counts),
            "timestamp": message.timestamp,
            "key": self._key_hash(message.group, message.key),
            "reply_to_key": self._key_hash(message.group, message.reply_to),
            "cr_need_gt": message.cr_need_gt,
        }

    def reject_row(self, at: str, reason: str) -> dict[str, Any]:
        """A row of REJECT_COLUMNS. Its place is masked too: a channel or a file may have a person's name."""
        without_names = self.names.place(at)
        masked = mask(without_names, self.phone_regions, Counter())  # which the metrics don't count
        encodable = masked.encode("utf-8", "replace").decode()
        return {"at": encodable, "reason": reason}

    def _key_hash(self, group: str, key: str | None) -> int | None:
        return None if key is None else hash_number(self.key, "key", group, key)


def ingest(
    read: ReadExport,
    key: bytes,
    limit: int | None,
    min_senders: int,
    min_messages: int,
    max_chars: int,
    phone_regions: Sequence[str] = (),
) -> Ingested:
    """The messages of an export, with pseudonyms and masks, and its rejects. Call it inside `spill.workspace`.

    The first `limit` groups are taken. Of these, all messages of a group with fewer than `min_senders` senders or
    `min_messages` messages are rejects. Raises click.ClickException if the second pass reads other entries than the
    first.
    """
    names = Names(partial(pseudonym, key))
    entries, messages, rejects = Spool(ENTRY_COLUMNS), Spool(MESSAGE_COLUMNS), Spool(REJECT_COLUMNS)
    watch = SenderWatch()
    # The first pass, in which `names` and `watch` learn.
    entries.extend(screened_entries(lambda: watch.watched(read()), key, names, limit, max_chars))
    counts: Counter[str] = Counter()
    masker = RowMasker(key, names, phone_regions, counts)
    screenings = in_order(screening_results(entries.table(), min_senders, min_messages), "seq")
    second_pass = tqdm(read(), "ingest", unit=" entries", delay=2)
    for entry, screening in zip_longest(second_pass, screenings):
        if entry is None or screening is None or (isinstance(entry, Reject) and entry.reason != screening["reason"]):
            raise click.ClickException("the export changed while it was read; ingest a copy of it")
        counts[ENTRIES] += 1
        reason = screening["reason"]
        if reason == OVER_LIMIT:
            counts[OVER_LIMIT] += 1
        elif reason or isinstance(entry, Reject):
            rejects.append(masker.reject_row(entry.at, reason))
        else:
            messages.append(masker.message_row(entry, screening))
    return Ingested(_with_reply_ids(messages.table()), rejects.table(), counts, list(watch.proposals()))


def _with_reply_ids(messages: ibis.Table) -> ibis.Table:
    """Messages with `reply_to`, the id of the message that each one answers; null where it isn't in the table."""
    answered = messages.filter(_.key.notnull()).select(answered_key="key", reply_to="id")
    return messages.left_join(answered, _.reply_to_key == answered.answered_key)


def check_usable(messages: int, reasons: Counter[str], export: Path, format: str, rejects: str | Path) -> None:
    """Raises click.ClickException for an export without a message; says how many entries can't be used."""
    if not messages:
        counts = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "the file is empty"
        raise click.ClickException(
            f"{export}: not one usable message ({counts}); is it of the format {format}? See {rejects}"
        )
    unusable = reasons.total() - reasons[TOO_FEW_SENDERS] - reasons[TOO_FEW_MESSAGES]
    if unusable:
        click.echo(f"{export}: messages that can't be used: {unusable}, see {rejects}", err=True)


def check_complete(export: Path, counts: Counter[str], messages: int, rejects: int) -> None:
    """Raises click.ClickException where an entry is in no table or in two."""
    if messages + rejects + counts[OVER_LIMIT] != counts[ENTRIES]:
        raise click.ClickException(
            f"{export}: of {counts[ENTRIES]} entries {messages} were kept, {rejects} rejected and"
            f" {counts[OVER_LIMIT]} over the limit: one was lost or doubled"
        )


def imported_labels(messages: ibis.Table) -> ibis.Table:
    """The labels that the export holds, as rows of schemas.Label: `cr_need_gt` of the paper's format, as values of the
    question needs_context.

    The export gives no time for a label, so the message's stands for it, and no guideline.
    """
    return messages.filter(_.cr_need_gt.notnull()).select(
        "id",
        annotator=ibis.literal(FROM_EXPORT),
        label=ibis.ifelse(_.cr_need_gt, "needed", "not_needed"),
        at="timestamp",
        seconds=ibis.null("float64"),
        guideline=ibis.literal(NO_GUIDELINE),
        note=ibis.null("string"),
        given=ibis.null("int64"),
        chosen=ibis.null("string"),
    )
