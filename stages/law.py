"""Does the law hold: do bigger models score better (paper, section 2, "Check")?

    python -m stages.law data/predictions/baseline metrics/law.json metrics/law.md
    python -m stages.law data/predictions/tuned metrics/law_tuned.json metrics/law_tuned.md

On good labels precision rises with size over the dense models; where it doesn't, prompt or labels are to be revised.
The law never fails a run: it writes its verdict as a number (stages/ladder.py) and in words.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.ladder import (
    FEWEST,
    HOLDS,
    INCONCLUSIVE,
    NO_SIGNAL,
    TOO_FEW,
    VIOLATED,
    Ladder,
    judge,
    labels_to_change,
    ladder_of,
    sample,
    telling,
)
from stages.params import params
from stages.schemas import Prediction
from stages.scoring import SCORES, Sample, in_percent
from stages.tables import read, rows, write_json

VERDICTS = {
    HOLDS: "holds",
    INCONCLUSIVE: "inconclusive",
    VIOLATED: "violated",
    NO_SIGNAL: "no signal",
    TOO_FEW: "too few models",
}
NEXT = {
    HOLDS: "Next: go on with these labels. That the law holds is no proof that every single one is right.",
    INCONCLUSIVE: "Neither the law nor its violation is beyond chance here. Next: more labelled items.",
    VIOLATED: "Next: read what the two biggest models get wrong. Where they are right, label anew; where they"
    " misunderstand the question, revise the prompt or the guideline.",
}


def points(found: Mapping[str, float], name: str) -> str:
    low, high = 100 * found[f"{name}_low"], 100 * found[f"{name}_high"]
    return f"{100 * found[name]:+.2f} points (95% bounds {low:+.2f} to {high:+.2f})"


def scored(ladder: Ladder, drawn: Sample, signs: Sequence[str]) -> list[str]:
    """A line of the table for each model: its scores with their bounds, and its sign."""
    lines = []
    for i, (name, sign) in enumerate(zip(ladder.names, signs, strict=True)):
        cells = [in_percent(drawn.whole[score][i], *drawn.bounds(score)[:, i]) for score in SCORES]
        lines.append(f"| {name} | {ladder.sizes[i]:,} | {' | '.join(cells)} | {sign} |")
    return lines


def in_words(
    ladder: Ladder,
    drawn: Sample,
    found: Mapping[str, Any],
    most: float,
    prompt: str,
    reference: Sequence[str] = (),
) -> str:
    """The verdict for a reader: what was found, which pair breaks the law and by how much, what to do next.

    `reference` are lines of the table for models that aren't counted.
    """
    seen = telling(ladder, drawn, most)
    signs = np.where(seen, np.where(drawn.whole["auc"] < 0.5, "reversed", "yes"), "none").tolist()
    lines = [
        f"# The law, prompt {prompt}: {VERDICTS[found['verdict']]}",
        "",
        f"n = {found['n']} labelled items, asked of each model.",
        "",
        "| model | parameters | " + " | ".join(f"{name} (%)" for name in SCORES) + " | signal |",
        "|---" * (len(SCORES) + 3) + "|",
        *scored(ladder, drawn, signs),
        *reference,
        "",
    ]
    if found["verdict"] == TOO_FEW:
        lines.append(f"The ladder has {found['models']} dense models; a trend needs {FEWEST}. Name more in `ladder`.")
    elif found["verdict"] == NO_SIGNAL:
        lines.append(
            f"Models that tell needed from not needed: {found['counted']} of {found['models']}. The others give one"
            f" letter more than {most:.0%} of the time, or the bounds of their AUC cover 50%. One letter's"
            " precision is the share of needed items, or 0, whatever the labels, so nothing follows for these."
            " Next: bigger models, another prompt, `evaluate.permutations: 6`, or the law on the tuned models."
        )
    else:
        lines.append(
            f"With each doubling of parameters precision changes by {points(found, 'slope')}; it rises in"
            f" {100 * found['slope_up']:.1f}% of the resamples."
        )
        counted = np.flatnonzero(seen).tolist()
        for (a, b), step in zip(pairwise(counted), found["steps"].values(), strict=True):
            if step["step"] <= 0:
                fewest = labels_to_change(ladder, a, b)
                needed = f"at least {fewest} other labels" if fewest else "more than any change of labels"
                lines.append(
                    f"\nFrom {ladder.names[a]} to {ladder.names[b]} precision falls, {points(step, 'step')}; it rises"
                    f" in {100 * step['step_up']:.1f}% of the resamples. To turn this step round takes {needed}."
                )
        lines.append("\n" + NEXT[found["verdict"]])
    return "\n".join(lines) + "\n"


def rounded(value: Any) -> Any:
    """Numbers to six digits, in dictionaries too."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 6) if isinstance(value, float) else value


@click.command(help=__doc__)
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("metrics", type=click.Path())
@click.argument("words", type=click.Path(path_type=Path))
def main(predictions: Path, metrics: str, words: Path) -> None:
    p = params()
    names = p.finetune if predictions.name == "tuned" else p.ladder
    answers = {name: rows(read(predictions / f"{name}.jsonl", Prediction)) for name in names}
    verdicts, sections = {}, []
    for prompt in sorted({row["prompt"] for row in answers[names[0]]}):
        asked = {name: [row for row in own if row["prompt"] == prompt] for name, own in answers.items()}
        ladder = ladder_of(names, asked, p.models)
        drawn = sample(ladder, p.evaluate.bootstrap, p.seed)
        verdicts[prompt] = rounded(judge(ladder, drawn, p.law.letter_share))
        reference = []
        if any(p.models[name].moe for name in names):
            moes = ladder_of(names, asked, p.models, moe=True)
            whole = sample(moes, p.evaluate.bootstrap, p.seed)
            reference = scored(moes, whole, ["MoE, for reference"] * len(moes.names))
        sections.append(in_words(ladder, drawn, verdicts[prompt], p.law.letter_share, prompt, reference))
    found = verdicts.pop(p.export.prompt)
    write_json(metrics, found | ({"prompts": verdicts} if verdicts else {}))
    words.write_text("\n".join(sections), encoding="utf-8")
    click.echo(f"{words.stem}: {VERDICTS[found['verdict']]}, see {words}")


if __name__ == "__main__":
    main()
