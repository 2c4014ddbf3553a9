"""A tuned model's answers for a chat log, such as which questions need their context to be understood.

    python -m stages.tools.predict chat.jsonl answers.jsonl smollm2_135m --adapter data/adapters/smollm2_135m

The log is read whole, joined and filtered as params.yaml says; its format is detected where it isn't that of
`ingest.format`. Messages and turns that are left out on the way are counted; they stand with their reasons in a folder
beside the answers. Each line of the answers has a message's id, its text, the probability of the positive label
(against the negative one; null with protocol generate, which gives none) and the model's likeliest answer; the
threshold of a gate plays no part in it. A question that is asked of turns is answered for all of them.

Where params.yaml names a model as `gate.resolve`, a line also has `question`, the question to go on with: the text, or
this model's rewrite where the answer isn't the negative one. `resolve_fallback` says why a rewrite was refused, or is
null.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import click
import ibis

from stages.chat.detection import detect_format, is_of_format, reader
from stages.chat.fingerprint import ANNOTATIONS, SAMPLE_FINGERPRINT, check_key, secret_key, stored_fingerprint
from stages.chat.ingestion import check_complete, check_usable, ingest
from stages.chat.inquiries import filter_turns, write_filtered
from stages.chat.spill import workspace
from stages.chat.turns import check_turns, turns_of
from stages.gating.gate import check_question, project_of
from stages.gating.resolution import Resolution, count_fallbacks, load_resolver, resolve_all
from stages.judging.predictions import probability_of
from stages.llm.catalogue import engine
from stages.llm.predictions import predict
from stages.llm.scoring import collected, score_parts
from stages.pipeline.command import Command
from stages.pipeline.definition import NEGATIVE
from stages.pipeline.params import Ingest, Params, params
from stages.pipeline.schemas import Inquiry, Message, Reject, Turn
from stages.pipeline.tables import Rows, compute_on, count_reasons, in_memory, materialize, read, rows, write
from stages.pipeline.temporary import temporary_folder
from stages.pipeline.window import with_window


def with_format(log: Path, p: Ingest) -> Ingest:
    """The parameters themselves where the log fits `ingest.format`; otherwise with the format that it begins like."""
    return p if p.format != "auto" and is_of_format(log, p) else detect_format(log, p)


def write_messages(log: Path, key: bytes, messages: Path, rejects: Path, p: Ingest) -> int:
    """The messages of the whole log to a table, as the stage ingest makes them; returns their number.

    Its groups may be small: `limit` and `min_messages` choose groups to learn from.
    """
    with workspace():
        ingested = ingest(reader(log, p), key, None, p.min_senders, 1, p.max_chars, p.phone_regions)
        reject_count = write(rejects, ingested.rejects.mutate(id=ibis.null("int64")), Reject)
        reasons = count_reasons(ingested.rejects)
        message_count = int(ingested.messages.count().execute())
        check_usable(message_count, reasons, log, p.format, rejects)
        write(messages, ingested.messages, Message)
        check_complete(log, ingested.counts, message_count, reject_count)
    click.echo(counted("ingest", "messages", "left out", message_count + reject_count, reasons), err=True)
    return message_count


def inquiries_in(messages: Path, message_count: int, base: Path, rejects: Path, folder: Path, p: Params) -> Rows:
    """The questions among messages with their windows, as the stages concat, score and filter make them."""
    compute_on(p.backend)
    turns_file = folder / "turns.jsonl"
    turn_count = write(turns_file, turns_of(read(messages, Message), p.concat.gap_seconds, folder), Turn)
    turns = read(turns_file, Turn)
    check_turns(turns, message_count)
    if p.question.definition.asked_of == "turns":
        turns_with_reason = turns.mutate(reason=ibis.null("string"))
    else:
        turns_with_reason = materialize(filter_turns(turns, in_memory(collected(score_parts(turns, base, p))), p))
    inquiries_file = folder / "inquiries.jsonl"
    reasons = write_filtered(turns, turns_with_reason, inquiries_file, rejects, p)
    click.echo(counted("filter", "turns", "left out", turn_count, reasons), err=True)
    return rows(read(inquiries_file, Inquiry))


def resolutions_of(items: Rows, predictions: Rows, base: Path, p: Params) -> list[Resolution] | None:
    """The question to go on with for each item; None without a model that resolves."""
    resolver = load_resolver(p, base)
    if not resolver:
        return None
    resolutions = [Resolution(item["text"], None) for item in items]
    positive = [index for index, prediction in enumerate(predictions) if prediction["answer"] != NEGATIVE]
    rewritten = resolve_all([items[index] for index in positive], resolver, p.filter.window, str(p.gate.resolve))
    for index, resolution in zip(positive, rewritten, strict=True):
        resolutions[index] = resolution
    counts = counted("resolve", "messages", "kept as they are", len(positive), count_fallbacks(rewritten))
    click.echo(counts, err=True)
    return resolutions


def counted(stage: str, noun: str, what: str, total: int, reasons: Mapping[str, int]) -> str:
    """A line that counts, by reason, the rows that a stage left out or kept as they are."""
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "none"
    return f"{stage}: of {total} {noun} {what}: {counts}"


@click.command(cls=Command, help=__doc__)
@click.argument("log", type=click.Path(exists=True, path_type=Path))
@click.argument("answers", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--adapter", type=click.Path(exists=True, path_type=Path), help="LoRA adapter of the tuned model.")
@click.option("--base", type=click.Path(exists=True, path_type=Path), default=Path("data/base"), show_default=True)
def main(log: Path, answers: Path, name: str, adapter: Path | None, base: Path) -> None:
    p = with_window(params())
    p.named(name)
    question = p.question.definition
    if adapter:
        check_question(project_of(adapter), p)
    ingest_params = with_format(log, p.ingest)
    if stored_fingerprint(ANNOTATIONS) != SAMPLE_FINGERPRINT:  # models of the sample answer for any chat
        check_key(ANNOTATIONS, ingest_params.format)
    rejects = answers.with_suffix(".rejects")
    with temporary_folder() as folder:
        key = secret_key(ingest_params.format, annotations=None)
        messages = folder / "messages.jsonl"
        message_count = write_messages(log, key, messages, rejects / "ingest.jsonl", ingest_params)
        items = inquiries_in(messages, message_count, base, rejects / "filter.jsonl", folder, p)
    if not adapter and not p.models[name].endpoint:
        click.echo(f"{name} answers as it is, untuned: --adapter names a tuned model", err=True)
    predictions = predict(items, engine(name, base / name, p, adapter), p, name)
    resolutions = resolutions_of(items, predictions, base, p)
    with answers.open("w", encoding="utf-8") as file:
        for index, (item, prediction) in enumerate(zip(items, predictions, strict=True)):
            line = {
                "id": item["id"],
                "text": item["text"],
                "probability": probability_of(prediction),
                "answer": question.value(prediction["answer"]),
            }
            if resolutions:
                line |= {"question": resolutions[index].text, "resolve_fallback": resolutions[index].reason}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
