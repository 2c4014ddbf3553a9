"""Score floors: answering "positive" always, TF-IDF with logistic regression on the message alone, and a probe.

    python -m stages.floor data/items.jsonl data/states.safetensors metrics/floor metrics/details/floor

The probe is logistic regression on the hidden states of one layer of the vanilla model `law.probe_model`; the layer is
the one with the best AUC on dev. A tuned model that doesn't beat these has learnt nothing that is worth a GPU.
"""

from pathlib import Path

import click

from stages.judging.classifiers import log_odds_from_words
from stages.judging.hidden_states import read_states
from stages.judging.metrics import HEADLINES
from stages.judging.probe import probe_of_best_layer, truth_of
from stages.pipeline.command import Command
from stages.pipeline.definition import NEGATIVE, POSITIVE
from stages.pipeline.files import write_metrics
from stages.pipeline.params import params
from stages.pipeline.tables import split_items


@click.command(cls=Command, help=__doc__)
@click.argument("items", type=click.Path(exists=True))
@click.argument("states", type=click.Path(exists=True))
@click.argument("metrics", type=click.Path(path_type=Path))
@click.argument("details", type=click.Path(path_type=Path))
def main(items: str, states: str, metrics: Path, details: Path) -> None:
    from stages.judging.evaluate_metric import measure

    p = params()
    train, dev, evaluation = (split_items(items, name) for name in ("train", "dev", p.evaluate.split))
    from_words = log_odds_from_words(
        [item["text"] for item in train], [item["label"] for item in train], [item["text"] for item in evaluation]
    )
    layer, from_states = probe_of_best_layer(read_states(states), train, dev, evaluation)
    log_odds_by_floor = {
        "always_positive": [1.0] * len(evaluation),
        "tfidf_lr": from_words,
        "probe": from_states.tolist(),
    }
    for name, log_odds in log_odds_by_floor.items():
        answers = [POSITIVE if value > 0 else NEGATIVE for value in log_odds]
        scores = measure(answers, truth_of(evaluation).tolist(), log_odds, p.evaluate.bootstrap, p.seed)
        if name == "probe":
            scores["layer"] = layer
        write_metrics(metrics / f"{name}.json", details / f"{name}.json", scores, *HEADLINES)


if __name__ == "__main__":
    main()
