"""Read a chat export into messages (paper, section 3), with pseudonyms for people and without their secrets.

    python -m stages.ingest data/raw/chitchat.json data/messages.jsonl data/imported.jsonl
        data/rejects/ingest.jsonl metrics/ingest.json

Labels that the export holds go to data/imported.jsonl in the form of data/annotations/, where `annotate` finds them.
Any size goes through some hundred megabytes of memory: what is not yet written lies in a temporary folder, masked.
"""

import importlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import ibis
from ibis import _
from tqdm import tqdm

from stages import schemas
from stages.chat import MILLISECONDS, Broken, Message
from stages.chat.auto import recognised
from stages.chat.keys import PUBLIC_KEY, keyed_hash, message_id, number, secret_key
from stages.chat.names import Names
from stages.chat.private import mask
from stages.chat.spool import Spool, in_order, workspace
from stages.params import params
from stages.schemas import NO_GUIDELINE, Label, Reject
from stages.tables import rows, write, write_json

NOT_UNICODE = re.compile("[\0\ud800-\udfff]")
OVER_LIMIT = "over_limit"
MASKED = ("mention", "email", "phone", "secret")
SEEN = dict.fromkeys(("seq", "group", "sender", "key", "alike", "timestamp"), "int64") | {"reason": "string"}
KEPT = {
    **dict.fromkeys(("id", "position", "timestamp", "key", "answers"), "int64"),
    **dict.fromkeys(("group", "sender", "text"), "string"),
    "cr_need_gt": "boolean",
}
Read = Callable[[], Iterable[Message | Broken]]


def why_not(message: Message, max_chars: int, now: float) -> str | None:
    """The reason why a message can't be used, if there is one."""
    if message.timestamp >= MILLISECONDS:
        return "timestamp_in_milliseconds"
    if message.timestamp <= 0:
        return "timestamp_not_positive"
    if message.timestamp > now + 86_400:
        return "timestamp_in_the_future"
    if not message.text.strip():
        return "empty_text"
    if len(message.text) > max_chars:
        return "text_too_long"
    if NOT_UNICODE.search(message.group + message.text):
        return "text_not_unicode"
    return None


def seen(read: Read, key: bytes, names: Names, limit: int | None, max_chars: int) -> Iterator[dict[str, Any]]:
    """The first reading: a row of hashes for each entry of the export, with a reason if it is left out; and `names`
    learns who there is.
    """
    hashed = lru_cache(2**16)(partial(number, key))
    groups: set[str] = set()  # the first ones, up to the limit
    now = time.time()
    for seq, message in enumerate(tqdm(read(), "who speaks", unit=" messages", delay=2)):
        if isinstance(message, Broken):
            yield {"seq": seq, "reason": message.reason}
            continue
        names.learn(message.sender, message.names)
        if limit is not None and len(groups) < limit:
            groups.add(message.group)
        if limit is not None and message.group not in groups:
            yield {"seq": seq, "reason": OVER_LIMIT}
        elif reason := why_not(message, max_chars, now):
            yield {"seq": seq, "reason": reason}
        else:
            yield {
                "seq": seq,
                "group": hashed("group", message.group),
                "sender": hashed("sender", message.sender),
                "key": None if message.key is None else number(key, "key", message.group, message.key),
                "alike": message_id(key, message, 0),
                "timestamp": message.timestamp,
            }


def judge(seen: ibis.Table, min_senders: int) -> ibis.Table:
    """What becomes of each entry: the reason if it is left out, else its position in its group and how many messages
    before it were alike in everything.
    """

    def before(group_by: str, order_by: Sequence[str] = ("seq",)) -> ibis.Value:
        """How many entries there were before one, of those that are still in and alike in a column."""
        return ibis.row_number().over(group_by=[_[group_by], _.reason.isnull()], order_by=order_by)

    def left_out(reason: str, where: ibis.Value) -> ibis.Value:
        return ibis.ifelse(_.reason.isnull() & where, reason, _.reason)

    known = seen.mutate(reason=left_out("duplicate_id", _.key.notnull() & (before("key") > 0)))
    senders = known.filter(_.reason.isnull()).group_by("group").agg(senders=_.sender.nunique())
    known = known.mutate(repeat=before("alike")).left_join(senders, "group")
    known = known.mutate(reason=left_out("too_few_senders", _.senders < min_senders))
    return known.mutate(position=before("group", ["timestamp", "seq"])).select("seq", "reason", "repeat", "position")


def ingest(
    read: Read, key: bytes, limit: int | None, min_senders: int, max_chars: int, phone_regions: Sequence[str] = ()
) -> tuple[ibis.Table, ibis.Table, Counter[str]]:
    """Messages and rejects as tables, and how many entries are over the limit and how much was masked.

    The export is read twice: somebody may be called by name who speaks only later, and so nothing is ever written
    that isn't masked. Of its conversations the first `limit` are taken; of those, ones with fewer than `min_senders`
    senders are rejected. Ids are made of what the export has, before anything is masked.
    """
    names = Names(lambda sender: keyed_hash(key, "sender", sender))
    room = lru_cache(2**16)(lambda group: group if key == PUBLIC_KEY else keyed_hash(key, "group", group))
    first, kept, left = Spool(SEEN), Spool(KEPT), Spool({"at": "string", "reason": "string"})
    first.extend(seen(read, key, names, limit, max_chars))
    verdicts = in_order(judge(first.table(), min_senders), "seq")
    counts: Counter[str] = Counter()
    for message, verdict in zip_longest(tqdm(read(), "ingest", unit=" messages", delay=2), verdicts):
        if message is None or verdict is None:
            raise click.ClickException("the export changed while it was read; ingest a copy of it")
        if verdict["reason"] == OVER_LIMIT:
            counts[OVER_LIMIT] += 1
        elif isinstance(message, Broken) or verdict["reason"]:
            at = mask(names.place(message.at), phone_regions, Counter())
            left.append({"at": at.encode("utf-8", "replace").decode(), "reason": verdict["reason"]})
        else:
            text, mentions = names.hide(message.text)
            counts["mention"] += mentions
            kept.append(
                {
                    "id": message_id(key, message, verdict["repeat"]),
                    "group": room(message.group),
                    "position": verdict["position"],
                    "sender": names.pseudonym(message.sender),
                    "text": mask(text, phone_regions, counts),
                    "timestamp": message.timestamp,
                    "key": None if message.key is None else number(key, "key", message.group, message.key),
                    "answers": None
                    if message.reply_to is None
                    else number(key, "key", message.group, message.reply_to),
                    "cr_need_gt": message.cr_need_gt,
                }
            )
    messages = kept.table()
    answered = messages.filter(_.key.notnull()).select(answered="key", reply_to="id")
    return messages.left_join(answered, _.answers == answered.answered), left.table(), counts


def imported(messages: ibis.Table, annotator: str) -> ibis.Table:
    """The labels that stood in the export, as made when the message was sent and under an unknown guideline."""
    return messages.filter(_.cr_need_gt.notnull()).select(
        "id",
        annotator=ibis.literal(annotator),
        label=ibis.ifelse(_.cr_need_gt, "needed", "not_needed"),
        at="timestamp",
        seconds=ibis.null("float64"),
        guideline=ibis.literal(NO_GUIDELINE),
        note=ibis.null("string"),
        given=ibis.null("int64"),
    )


@click.command(help=__doc__)
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("messages", type=click.Path())
@click.argument("labels", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(export: Path, messages: str, labels: str, rejects: str, metrics: str) -> None:
    p = params().ingest
    if not export.exists():
        raise click.ClickException(f"{export} is missing: set ingest.path in params.yaml to your chat export")
    columns = p.columns.model_dump()
    format = recognised(export, columns) if p.format == "auto" else p.format
    reader = importlib.import_module(f"stages.chat.{format}")
    read = partial(reader.read, export, zone=ZoneInfo(p.timezone), columns=columns)
    with workspace():
        kept, left, counts = ingest(read, secret_key(format), p.limit, p.min_senders, p.max_chars, p.phone_regions)
        write(rejects, left.mutate(id=ibis.null("int64")), Reject)
        reasons = Counter({row["reason"]: row["count"] for row in rows(left.group_by("reason").agg(count=_.count()))})
        found = rows(kept.agg(messages=_.count(), groups=_.group.nunique(), senders=_.sender.nunique()))[0]
        if not found["messages"]:
            what = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "the file is empty"
            raise click.ClickException(
                f"{export}: not one usable message ({what}); is it of the format {format}? See {rejects}"
            )
        if broken := reasons.total() - reasons["too_few_senders"]:
            click.echo(f"{export}: {broken} messages can't be used, see {rejects}", err=True)
        write(messages, kept, schemas.Message)
        write(labels, imported(kept, "export"), Label)
    write_json(
        metrics,
        {
            "messages_in": found["messages"] + reasons.total(),
            **found,
            "over_limit": counts[OVER_LIMIT],
            "masked": {kind: counts[kind] for kind in MASKED},
            "rejected": dict(sorted(reasons.items())),
        },
    )


if __name__ == "__main__":
    main()
