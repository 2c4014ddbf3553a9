"""Read a chat export into messages (paper, section 3), with senders as stable random-looking strings.

    python -m stages.ingest data/raw/chitchat.json data/messages.jsonl data/imported.jsonl
        data/rejects/ingest.jsonl metrics/ingest.json

Labels that the export holds go to data/imported.jsonl in the form of data/annotations/, where `annotate` finds them.
"""

import hmac
import importlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from tqdm import tqdm

from stages import schemas
from stages.chat import Broken, Message
from stages.params import params
from stages.schemas import NO_GUIDELINE, Label, Reject
from stages.tables import from_rows, write, write_json, write_rejects

PUBLIC_KEY = (
    b"chitchat-dataset 0.9.0"  # the sample is public: a fixed key gives everyone the ids of the committed labels
)
KEY_VARIABLE = "CHAT_KEY"
KEY_FILE = ".chat_key"
MILLISECONDS = 10**11  # in seconds this is the year 5138


def secret_key(format: str) -> bytes:
    """The key of the hashes: public for the sample, otherwise CHAT_KEY, or a file that is made once and git ignores.

    The file is looked for upwards too, since `dvc exp run --temp` works in a folder inside the project.
    """
    if format == "chitchat":
        return PUBLIC_KEY
    if key := os.environ.get(KEY_VARIABLE):
        return key.encode()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (found := folder / KEY_FILE).exists():
            return found.read_bytes().strip()
    made = here / KEY_FILE
    made.touch(mode=0o600)
    made.write_text(secrets.token_hex(32) + "\n")
    click.echo(
        f"made {KEY_FILE}: keep it, ids and senders depend on it; others set {KEY_VARIABLE} to its content", err=True
    )
    return made.read_bytes().strip()


def keyed_hash(key: bytes, *parts: Any) -> str:
    """64 bits of HMAC-SHA256 over the parts, each with its length, so that no two lists of parts look alike; 16 hex
    digits.
    """
    message = b"".join(f"{len(str(part))}:{part}".encode("utf-8", "surrogatepass") for part in parts)
    return hmac.digest(key, message, "sha256").hex()[:16]


def message_id(key: bytes, message: Message, repeat: int) -> int:
    """53 bits, which every JSON reader keeps. `repeat` counts messages that are alike in everything."""
    return int(keyed_hash(key, "id", message.group, message.sender, message.timestamp, message.text, repeat), 16) >> 11


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
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in message.group + message.text):
        return "text_not_unicode"
    return None


def ingest(
    read: Iterable[Message | Broken], key: bytes, limit: int | None, min_senders: int, max_chars: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Counter[str]]:
    """Messages and rejects as rows, and what else is to be counted.

    Of the conversations in the export the first `limit` are taken; of those, ones with fewer than `min_senders`
    senders are rejected.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    rejects: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    repeats: Counter[int] = Counter()
    ids: dict[tuple[str, str], int] = {}  # by the export's own
    now = time.time()
    for message in tqdm(read, "ingest", unit=" messages", delay=2):
        if isinstance(message, Broken):
            rejects.append({"at": message.at, "reason": message.reason})
            continue
        if message.group not in groups and limit is not None and len(groups) >= limit:
            counts["over_limit"] += 1
            continue
        rows = groups.setdefault(message.group, [])
        if reason := why_not(message, max_chars, now):
            rejects.append({"at": message.at, "reason": reason})
            continue
        if (message.group, message.key) in ids:
            rejects.append({"at": message.at, "reason": "duplicate_id"})
            continue
        alike = message_id(key, message, 0)
        id = message_id(key, message, repeats[alike])
        if message.key is not None:
            ids[message.group, message.key] = id
        rows.append(
            {
                "id": id,
                "group": message.group,
                "sender": keyed_hash(key, "sender", message.sender),
                "text": message.text,
                "timestamp": message.timestamp,
                "at": message.at,
                "cr_need_gt": message.cr_need_gt,
                "reply_to": message.reply_to,
            }
        )
        repeats[alike] += 1
    messages = []
    for rows in groups.values():
        if len({row["sender"] for row in rows}) < min_senders:
            rejects += [{"at": row["at"], "reason": "too_few_senders"} for row in rows]
        else:
            rows.sort(key=lambda row: row["timestamp"])  # stable: the export's order within a second
            messages += [
                row | {"position": position, "reply_to": ids.get((row["group"], row["reply_to"]))}
                for position, row in enumerate(rows)
            ]
    return messages, rejects, counts


def imported(messages: list[dict[str, Any]], annotator: str) -> list[dict[str, Any]]:
    """The labels that stood in the export, as made when the message was sent and under an unknown guideline."""
    return [
        {
            "id": row["id"],
            "annotator": annotator,
            "label": "needed" if row["cr_need_gt"] else "not_needed",
            "at": row["timestamp"],
            "seconds": None,
            "guideline": NO_GUIDELINE,
        }
        for row in messages
        if row["cr_need_gt"] is not None
    ]


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
    reader = importlib.import_module(f"stages.chat.{p.format}")
    read = reader.read(export, zone=ZoneInfo(p.timezone), columns=p.columns.model_dump())
    kept, left, counts = ingest(read, secret_key(p.format), p.limit, p.min_senders, p.max_chars)
    for reject in left:  # the name of a file need not be Unicode
        reject["at"] = reject["at"].encode("utf-8", "replace").decode()
    reasons = write_rejects(rejects, left, Reject)
    if not kept:
        found = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "the file is empty"
        raise click.ClickException(
            f"{export}: not one usable message ({found}); is it of the format {p.format}? See {rejects}"
        )
    if broken := reasons.total() - reasons["too_few_senders"]:
        click.echo(f"{export}: {broken} messages can't be used, see {rejects}", err=True)
    write(
        messages,
        from_rows([{k: v for k, v in row.items() if k not in ("at", "cr_need_gt")} for row in kept], schemas.Message),
        schemas.Message,
    )
    write(labels, from_rows(imported(kept, "export"), Label), Label)
    write_json(
        metrics,
        {
            "messages_in": len(kept) + reasons.total(),
            "messages": len(kept),
            "groups": len({row["group"] for row in kept}),
            "senders": len({row["sender"] for row in kept}),
            "over_limit": counts["over_limit"],
            "rejected": dict(sorted(reasons.items())),
        },
    )


if __name__ == "__main__":
    main()
