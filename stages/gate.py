"""Choose each tuned model's threshold on dev, and compare it as a gate with those in use today.

    python -m stages.gate data/items.jsonl data/states.safetensors data/predictions/gate data/gate.json
        metrics/gate.json metrics/details/gate.json metrics/gate.md metrics/plots/gate.json

A gate decides which items something is done with, such as which questions of a chat are rewritten before they are sent
on. The threshold is the highest that keeps `gate.recall` of the positive items of dev; what it keeps and saves is then
measured on `evaluate.split`. TF-IDF, the probe and the tuned models have a threshold each, rules have none. A tuned
model's temperature is that of dev where its bounds exclude 1.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.gating.calibration import calibration, temperature
from stages.gating.rules import rules_of
from stages.gating.threshold import Threshold, measure_gate, threshold_for, trade_off
from stages.judging.classifiers import log_odds_from_words
from stages.judging.hidden_states import read_states
from stages.judging.metrics import Floats
from stages.judging.predictions import load_predictions, log_odds_of
from stages.judging.probe import probe_of_best_layer, truth_of
from stages.pipeline.command import Command
from stages.pipeline.files import write_json, write_text
from stages.pipeline.params import Params, params
from stages.pipeline.tables import split_items
from stages.reporting.gate_text import gate_table

Items = list[dict[str, Any]]
HEADLINES = ("precision", "recall", "f1", "saved", "n")


def classifier_scores(states: Path, train: Items, dev: Items, items: Items) -> dict[str, Floats]:
    """Log-odds of positive [items] by the classifiers that learn in seconds."""
    texts, labels = [item["text"] for item in train], [item["label"] for item in train]
    return {
        "tfidf_lr": np.array(log_odds_from_words(texts, labels, [item["text"] for item in items])),
        "probe": probe_of_best_layer(read_states(states), train, dev, items)[1],
    }


def tuned_scores(predictions: Path, items: Items, p: Params) -> dict[str, Floats]:
    """Log-odds of positive [items] by the tuned models."""
    answers = load_predictions(predictions, p.finetune, p.question.prompt)
    log_odds_by_id = {name: {row["id"]: log_odds_of(row) for row in rows} for name, rows in answers.items()}
    return {name: np.array([by_id[item["id"]] for item in items]) for name, by_id in log_odds_by_id.items()}


@click.command(cls=Command, help=__doc__)
@click.argument("items", type=click.Path(exists=True))
@click.argument("states", type=click.Path(exists=True, path_type=Path))
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("thresholds", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.argument("words", type=click.Path())
@click.argument("plot", type=click.Path())
def main(
    items: str, states: Path, predictions: Path, thresholds: str, metrics: str, details: str, words: str, plot: str
) -> None:
    p = params()
    train, dev, evaluation = (split_items(items, name) for name in ("train", "dev", p.evaluate.split))
    truth, truth_of_dev = truth_of(evaluation), truth_of(dev)
    gates: dict[str, dict[str, float]] = {}
    threshold_by_name: dict[str, Threshold] = {}
    points: Items = []

    question = p.question.definition
    for name, is_positive in rules_of(question).items():
        decisions = np.array([is_positive(item) for item in evaluation])
        gates[name] = measure_gate(decisions, decisions.astype(float), truth, p.evaluate.bootstrap, p.seed)
        points.append({"gate": name, "lost": 1 - gates[name]["recall"], "saved": gates[name]["saved"]})

    everything = dev + evaluation
    classifiers = classifier_scores(states, train, dev, everything)
    tuned = tuned_scores(predictions, everything, p)
    for name, all_log_odds in (classifiers | tuned).items():
        of_dev, log_odds = all_log_odds[: len(dev)], all_log_odds[len(dev) :]
        threshold = threshold_for(p.gate.recall, of_dev, truth_of_dev)
        gates[name] = measure_gate(log_odds >= threshold, log_odds, truth, p.evaluate.bootstrap, p.seed)
        gates[name]["threshold"] = round(threshold, 6)
        points += [{"gate": name, "lost": lost, "saved": saved} for lost, saved in trade_off(log_odds, truth)]
        if name in tuned:
            best = temperature(of_dev, truth_of_dev, p.evaluate.bootstrap, p.seed)
            is_certain = not best["temperature_low"] <= 1 <= best["temperature_high"]
            threshold_by_name[name] = Threshold(threshold, best["temperature"] if is_certain else 1.0)
            calibrated = calibration(log_odds / threshold_by_name[name].temperature, truth)
            gates[name] |= best | calibration(log_odds, truth)
            gates[name] |= {f"{score}_calibrated": value for score, value in calibrated.items()}

    by_name = {name: threshold._asdict() for name, threshold in threshold_by_name.items()}
    write_json(thresholds, {"question": question.name, "thresholds": by_name})
    write_json(metrics, {name: {score: gates[name][score] for score in HEADLINES} for name in tuned})
    write_json(details, gates)
    write_json(
        plot, [point | {"lost": round(point["lost"], 4), "saved": round(point["saved"], 4)} for point in points]
    )
    write_text(words, gate_table(gates, p.gate.recall, p.evaluate.split, len(dev), question))


if __name__ == "__main__":
    main()
