"""Does precision rise with size over the dense models (paper, section 2, "Check")?

    python -m stages.law metrics/baseline metrics/law.json
    python -m stages.law metrics/tuned metrics/law_tuned.json

On good labels it does; where it doesn't, prompt or labels are to be revised. The law never fails a run: it writes its
verdict.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import click

from stages.params import Model, params
from stages.tables import write_json


def by_size(precision: Mapping[str, float], models: Mapping[str, Model]) -> list[float]:
    """Precision of the dense models, from the smallest to the largest; mixtures of experts are for reference only."""
    dense = [name for name in precision if not models[name].moe]
    return [precision[name] for name in sorted(dense, key=lambda name: models[name].size)]


def law(rising: list[float], letter_share: float, most: float) -> dict[str, float]:
    """The verdict over precision by size.

    `strictly_rising` is the paper's rule: each model scores better than the next smaller one. `signal` is 0 where a
    model gives one letter more often than `most`: its precision is the share of positives, whatever the labels.
    """
    from scipy.stats import spearmanr

    steps = list(pairwise(rising))
    constant = len(set(rising)) < 2
    return {
        "models": len(rising),
        "strictly_rising": int(bool(steps) and all(smaller < larger for smaller, larger in steps)),
        "spearman": 0.0 if constant else round(float(spearmanr(range(len(rising)), rising).statistic), 6),
        "letter_share": letter_share,
        "signal": int(letter_share <= most),
    }


@click.command(help=__doc__)
@click.argument("metrics", type=click.Path(exists=True, path_type=Path))
@click.argument("verdict", type=click.Path())
def main(metrics: Path, verdict: str) -> None:
    p = params()
    names = p.finetune if metrics.name == "tuned" else p.ladder
    found = {name: json.loads((metrics / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    precision = {name: scores["precision"] for name, scores in found.items()}
    share = max(scores["letter_share"] for scores in found.values())
    write_json(verdict, law(by_size(precision, p.models), share, p.law.letter_share))


if __name__ == "__main__":
    main()
