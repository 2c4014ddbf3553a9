"""Does the law hold: do bigger models score better (paper, section 2, "Check")?

    python -m stages.law data/predictions/baseline metrics/law.json metrics/details/law.json metrics/law.md
    python -m stages.law data/predictions/tuned metrics/law_tuned.json metrics/details/law_tuned.json
        metrics/law_tuned.md --tuned

On good labels precision rises with size over the dense models; where it doesn't, prompt or labels are to be revised.
The law never fails a run: it writes its verdict as a number (stages/judging/ladder.py) and in words.
"""

from pathlib import Path
from typing import Any

import click

from stages.judging.ladder import bootstrap_ladder, judge, ladder_of
from stages.judging.predictions import load_predictions
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics, write_text
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import params
from stages.reporting.law_text import VERDICTS, table_rows, verdict_in_words


def rounded(value: Any) -> Any:
    """Numbers to six digits, in dictionaries too."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


@click.command(cls=Command, help=__doc__)
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.argument("words", type=click.Path(path_type=Path))
@click.option("--tuned", is_flag=True, help="Judge the models of `finetune`, not those of `ladder`.")
def main(predictions: Path, metrics: str, details: str, words: Path, tuned: bool) -> None:
    p = with_sizes(params())
    names = p.finetune if tuned else p.ladder
    question = p.question.definition
    prompts = {p.question.prompt, *([] if tuned else p.law.prompts)}
    verdicts, sections = {}, []
    for prompt in sorted(prompts):
        answers = load_predictions(predictions, names, prompt)
        ladder = ladder_of(names, answers, p.models)
        scores = bootstrap_ladder(ladder, p.evaluate.bootstrap, p.seed)
        verdicts[prompt] = rounded(judge(ladder, scores, p.law.letter_share))
        reference = []
        if any(p.models[name].moe for name in names):
            moes = ladder_of(names, answers, p.models, moe=True)
            moe_scores = bootstrap_ladder(moes, p.evaluate.bootstrap, p.seed)
            reference = table_rows(moes, moe_scores, ["MoE, for reference"] * len(moes.names))
        sections.append(
            verdict_in_words(ladder, scores, verdicts[prompt], p.law.letter_share, prompt, question, reference)
        )
    verdict = verdicts.pop(p.question.prompt)
    values = verdict | ({"prompts": verdicts} if verdicts else {})
    write_metrics(metrics, details, values, "verdict", "n")
    write_text(words, "\n".join(sections))
    click.echo(f"{words.stem}: {VERDICTS[verdict['verdict']]}, see {words}")


if __name__ == "__main__":
    main()
