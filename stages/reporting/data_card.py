"""The data card: data/card.md, which people write, with the numbers of the last run filled in.

    python -m stages.reporting.data_card metrics/details data/annotations dvc.lock data/card.md data/README.md

In data/card.md `metrics` holds the JSON files of that folder by name, `labels` how many items each annotator labelled,
`hashes` those of dvc.lock, `params` params.yaml and `question` what a model is asked. `few_labels` says of each of the
splits dev and test that has too few items of a label that no score of it says anything; it is empty otherwise.
"""

from collections import Counter
from itertools import chain
from pathlib import Path

import click

from stages.labels.store import load, votes
from stages.pipeline.command import Command
from stages.pipeline.files import read_json
from stages.pipeline.params import params
from stages.pipeline.window import with_window
from stages.reporting.few_labels import few_labels_in_words, has_few_labels
from stages.reporting.model_card import asked, locked_stages, of_the_labels
from stages.reporting.tables import bounded

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}  # the hub's own


def size(items: int) -> str:
    """The hub's name for a data set of so many items."""
    return next((name for limit, name in SIZES.items() if items < limit), "n>1M")


@click.command(cls=Command, help=__doc__)
@click.argument("metrics", type=click.Path(exists=True, path_type=Path))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("lock", type=click.Path(exists=True, path_type=Path))
@click.argument("template", type=click.Path(exists=True, path_type=Path))
@click.argument("card", type=click.Path(path_type=Path))
def main(metrics: Path, annotations: Path, lock: Path, template: Path, card: Path) -> None:
    import jinja2

    p = with_window(params())
    question = p.question.definition
    locked = locked_stages(lock)
    values = {file.stem: read_json(file) for file in metrics.glob("*.json")}
    counts = values.get("export", {})
    splits = [name for name in ("dev", "test") if name in counts and has_few_labels(counts[name])]
    form = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    form.filters |= {"number": "{:,}".format, "percent": "{:.2%}".format, "size": size}
    try:
        text = form.from_string(template.read_text(encoding="utf-8")).render(
            metrics=values,
            few_labels=" ".join(few_labels_in_words(name, counts[name], question) for name in splits),
            labels=dict(Counter(chain.from_iterable(votes(load(annotations, question)).values()))),
            hashes=of_the_labels(locked, p),
            params=p,
            question=asked(p.question),
            bounded=bounded,
        )
    except (jinja2.TemplateError, TypeError) as error:
        raise click.ClickException(
            f"{template}: {error}; {metrics} or params.yaml has no such value, or no number"
        ) from error
    card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
