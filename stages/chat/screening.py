"""The first pass over an export: who speaks in it, and which of its entries become messages.

Only hashes and places are kept of an entry, so that the export need not fit into memory and no text is written.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import ibis
from ibis import _
from tqdm import tqdm

from stages.chat import MILLISECONDS, Message, Reject
from stages.chat.keys import hash_number, message_id
from stages.chat.mentions import Names

ReadExport = Callable[[], Iterable[Message | Reject]]  # begins at the first entry with each call

OVER_LIMIT = "over_limit"
TOO_FEW_SENDERS = "too_few_senders"
TOO_FEW_MESSAGES = "too_few_messages"
NOT_UNICODE = re.compile("[\0\ud800-\udfff]")
CLOCK_TOLERANCE = 86_400  # seconds by which a phone's clock may be ahead
CACHED_HASHES = 2**16
ENTRY_COLUMNS = {  # hashes but for `seq`, `timestamp` and `reason`; `content` is of all fields of a message
    **dict.fromkeys(("seq", "group", "sender", "key", "content", "timestamp"), "int64"),
    "reason": "string",
}


def reject_reason(message: Message, max_chars: int, now: float) -> str | None:
    """Why a message can't be used; None if it can. `now` is in epoch seconds."""
    if message.timestamp >= MILLISECONDS:
        return "timestamp_in_milliseconds"
    if message.timestamp <= 0:
        return "timestamp_not_positive"
    if message.timestamp > now + CLOCK_TOLERANCE:
        return "timestamp_in_the_future"
    if not message.text.strip():
        return "empty_text"
    if len(message.text) > max_chars:
        return "text_too_long"
    if NOT_UNICODE.search(message.group + message.text):
        return "text_not_unicode"
    return None


def screened_entries(
    read: ReadExport, key: bytes, names: Names, limit: int | None, max_chars: int
) -> Iterator[dict[str, Any]]:
    """A row of ENTRY_COLUMNS for each entry, numbered by `seq`: a reason, or hashes of the message's fields.

    Messages of the first `limit` groups are taken. `names` learns the people and words of all groups.
    """
    cached_hash = lru_cache(CACHED_HASHES)(partial(hash_number, key))
    groups: set[str] = set()  # the first `limit`
    now = time.time()
    for seq, message in enumerate(tqdm(read(), "who speaks", unit=" messages", delay=2)):
        if isinstance(message, Reject):
            yield {"seq": seq, "reason": message.reason}
            continue
        names.learn(message.sender, message.names, message.text)
        if limit is not None and len(groups) < limit:
            groups.add(message.group)
        is_over_limit = limit is not None and message.group not in groups
        reason = OVER_LIMIT if is_over_limit else reject_reason(message, max_chars, now)
        if reason:
            yield {"seq": seq, "reason": reason}
            continue
        yield {
            "seq": seq,
            "group": cached_hash("group", message.group),
            "sender": cached_hash("sender", message.sender),
            "key": None if message.key is None else hash_number(key, "key", message.group, message.key),
            "content": message_id(key, message, 0),
            "timestamp": message.timestamp,
        }


def screening_results(entries: ibis.Table, min_senders: int, min_messages: int) -> ibis.Table:
    """What becomes of each entry: `seq`, the `reason` if it is left out, else its `position` in its group, and
    `repeat`, the number of earlier messages with the same fields.

    Senders and messages of a group are counted over the entries that have no other reason.
    """

    def rank(group_by: str, order_by: Sequence[str] = ("seq",)) -> ibis.Value:
        """The number of earlier entries with the same value in a column, among entries without a reason."""
        return ibis.row_number().over(group_by=[_[group_by], _.reason.isnull()], order_by=order_by)

    def reason_where(condition: ibis.Value, reason: str) -> ibis.Value:
        """The column `reason`, with a reason for the entries without one that meet a condition."""
        return ibis.ifelse(_.reason.isnull() & condition, reason, _.reason)

    is_duplicate = _.key.notnull() & (rank("key") > 0)
    entries = entries.mutate(reason=reason_where(is_duplicate, "duplicate_id"))
    entries = entries.mutate(repeat=rank("content"))
    usable = entries.filter(_.reason.isnull())
    group_sizes = usable.group_by("group").agg(senders=_.sender.nunique(), messages=_.count())
    entries = entries.left_join(group_sizes, "group")
    entries = entries.mutate(reason=reason_where(_.senders < min_senders, TOO_FEW_SENDERS))
    entries = entries.mutate(reason=reason_where(_.messages < min_messages, TOO_FEW_MESSAGES))
    return entries.mutate(position=rank("group", ["timestamp", "seq"])).select("seq", "reason", "repeat", "position")
