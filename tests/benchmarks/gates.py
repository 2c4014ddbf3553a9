"""Gates side by side on several chats, and models asked of a chat that they were not tuned on.

    python -m tests.benchmarks.gates smollm2_135m gecor.jsonl irc.jsonl

The first chat is the sample, with its split and its tuned model. Each file has the labelled items of another chat; its
conversations are split as the stage export does, and a model is tuned on at most 500 of its items. TF-IDF, the probe
and tuned models have the threshold that keeps `gate.recall` of the positive items of their chat's dev part. A model
of another chat has it from its own chat. The milliseconds are the median of one question at a
time, with the model's dtype and with auto.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import numpy as np

from stages.gating.gate import Gate
from stages.gating.rules import rules_of
from stages.gating.threshold import Threshold, measure_gate, threshold_for
from stages.judging.classifiers import fit_states, fit_words, log_odds_from_words
from stages.judging.hidden_states import HiddenStates, read_states, write_states
from stages.judging.metrics import Floats
from stages.judging.predictions import log_odds_of
from stages.judging.probe import probe_of_best_layer, truth_of
from stages.labels.splitting import split
from stages.llm.alpaca import alpaca_rows
from stages.llm.catalogue import engine
from stages.llm.predictions import predict
from stages.llm.states import StateReader
from stages.llm.training import train
from stages.llm.training_cache import train_once, training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.pipeline.definition import POSITIVE
from stages.pipeline.files import write_json
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import Params, cache_directory, params
from stages.pipeline.schemas import SPLITS, Labelled
from stages.pipeline.tables import read, rows, split_items
from stages.pipeline.window import with_window
from stages.reporting.gate_text import HEAD, gate_rows

Items = list[dict[str, Any]]
LEARNT = 500  # items of another chat
ASKED = 1000  # items of its dev and of its test part
TIMED = 50  # questions


class Chat(NamedTuple):
    """Labelled items of a chat, a vanilla model's hidden states for them, and the adapter tuned on its train part."""

    train: Items
    dev: Items
    test: Items
    states: HiddenStates
    adapter: Path

    @property
    def asked(self) -> Items:
        return self.dev + self.test


def sample(name: str) -> Chat:
    learnt, dev, test = (split_items("data/items.jsonl", part) for part in SPLITS)
    return Chat(learnt, dev, test, read_states("data/states.safetensors"), Path("data/adapters") / name)


def other_chat(name: str, file: Path, p: Params) -> Chat:
    """A chat of a file, with a model tuned on it in the cache directory."""
    splits, _ = split(rows(read(file, Labelled).order_by("id")), p.export.dev, p.export.test, p.export.seed)
    learnt, dev, test = splits["train"][:LEARNT], splits["dev"][:ASKED], splits["test"][:ASKED]
    base = Path("data/base") / name
    folder = cache_directory("gates") / training_fingerprint(name, base, p, file)
    folder.mkdir(exist_ok=True)
    if not (folder / "states.safetensors").exists():
        reader = StateReader(Path("data/base") / p.law.probe_model)
        write_states(folder / "states.safetensors", reader.read(learnt + dev + test, p.question.turns_of_probes))

    def train_on_chat(adapter: Path, curve: Path) -> None:
        write_json(folder / "train.json", alpaca_rows(learnt, p.question))
        train(name, base, TrainingRows(folder / "train.json"), p, p.seeds[0], adapter, curve)

    train_once(folder / "tuned", train_on_chat)
    return Chat(learnt, dev, test, read_states(folder / "states.safetensors"), folder / "tuned/adapter")


def tuned_log_odds(name: str, adapter: Path, items: Items, p: Params) -> Floats:
    answers = predict(items, engine(name, Path("data/base") / name, p, adapter), p, str(adapter.parent.name))
    return np.array([log_odds_of(row) for row in answers])


def milliseconds(ask: Callable[[dict[str, Any]], Any], items: Items) -> str:
    """The median of asking about one item at a time."""
    seconds = []
    for item in items[:TIMED]:
        start = time.perf_counter()
        ask(item)
        seconds.append(time.perf_counter() - start)
    return f"{1000 * float(np.median(seconds)):.1f}"


def ask_words(learnt: Items) -> Callable[[dict[str, Any]], Any]:
    classifier = fit_words([item["text"] for item in learnt], [item["label"] for item in learnt])
    return lambda item: classifier.decision_function([item["text"]])


def ask_probe(chat: Chat, layer: int, reader: StateReader, window: int) -> Callable[[dict[str, Any]], Any]:
    """The mean of the probes over the views of an item, whose states the model computes first."""
    place = chat.states.layers.tolist().index(layer)
    views = chat.states.of(chat.train)[place]
    probes = [fit_states(states, truth_of(chat.train)) for states in views]

    def ask(item: dict[str, Any]) -> float:
        states = reader.read([item], window).values[place]
        return float(
            np.mean([probe.decision_function(of_view) for probe, of_view in zip(probes, states, strict=True)])
        )

    return ask


def gate_of(name: str, adapter: Path, p: Params) -> Gate:
    gate = Gate(engine(name, Path("data/base") / name, p, adapter), p, Threshold(0.0, 1.0))
    gate.keep_prefix()
    return gate


def with_dtype(name: str, dtype: Literal["auto"], p: Params) -> Params:
    return p.model_copy(update={"models": p.models | {name: p.models[name].model_copy(update={"dtype": dtype})}})


def ask_gate(gate: Gate) -> Callable[[dict[str, Any]], Any]:
    return lambda item: gate([(t["sender"], t["text"]) for t in item["cr_window"]], item["text"], item["sender"])


def compare(title: str, chats: Mapping[str, Chat], name: str, p: Params) -> str:
    """The table of gates on the test part of the chat `title`."""
    chat, question = chats[title], p.question.definition
    truth, truth_of_dev = truth_of(chat.test), truth_of(chat.dev)
    lines = []
    for rule, is_positive in rules_of(question).items():
        decisions = np.array([is_positive(item) for item in chat.test])
        scores = measure_gate(decisions, decisions.astype(float), truth, p.evaluate.bootstrap, p.seed)
        lines += [[*row, milliseconds(is_positive, chat.test)] for row in gate_rows({rule: scores})]

    texts, labels = [item["text"] for item in chat.train], [item["label"] for item in chat.train]
    gate = gate_of(name, chat.adapter, p)
    layer, from_states = probe_of_best_layer(chat.states, chat.train, chat.dev, chat.asked)
    tuned = f"{name}, tuned on this chat"
    own = {
        "tfidf_lr": np.array(log_odds_from_words(texts, labels, [item["text"] for item in chat.asked])),
        "probe": from_states,
        tuned: tuned_log_odds(name, chat.adapter, chat.asked, p),
    }
    reader = StateReader(Path("data/base") / p.law.probe_model)
    ask = {
        "tfidf_lr": ask_words(chat.train),
        "probe": ask_probe(chat, layer, reader, p.question.turns_of_probes),
        tuned: ask_gate(gate),
    }
    for gate_name, log_odds in own.items():
        of_dev, of_test = log_odds[: len(chat.dev)], log_odds[len(chat.dev) :]
        threshold = threshold_for(p.gate.recall, of_dev, truth_of_dev)
        scores = measure_gate(of_test >= threshold, of_test, truth, p.evaluate.bootstrap, p.seed)
        duration = milliseconds(ask[gate_name], chat.test)
        lines += [[*row, duration] for row in gate_rows({gate_name: scores | {"threshold": threshold}})]
    for other, source in chats.items():
        if other != title:
            of_dev = tuned_log_odds(name, source.adapter, source.dev, p)
            threshold = threshold_for(p.gate.recall, of_dev, truth_of(source.dev))
            of_test = tuned_log_odds(name, source.adapter, chat.test, p)
            scores = measure_gate(of_test >= threshold, of_test, truth, p.evaluate.bootstrap, p.seed)
            lines += [
                [*row, ""] for row in gate_rows({f"{name}, tuned on {other}": scores | {"threshold": threshold}})
            ]
    faster = milliseconds(ask_gate(gate_of(name, chat.adapter, with_dtype(name, "auto", p))), chat.test)
    counts = f"{len(chat.train)} items to learn, {len(chat.dev)} of dev, n = {len(chat.test)} of test"
    counts += f", {np.mean(truth):.0%} of them {question.words(POSITIVE)}"
    return f"**{title}**: {counts}.\n\n{markdown_table([*HEAD, 'ms'], lines)}\n\nWith dtype auto: {faster} ms.\n"


@click.command(help=__doc__)
@click.argument("name")
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(name: str, files: tuple[Path, ...]) -> None:
    p = with_window(params())
    chats = {"the sample": sample(name)} | {file.stem: other_chat(name, file, p) for file in files}
    for title in chats:
        click.echo(compare(title, chats, name, p))


if __name__ == "__main__":
    main()
