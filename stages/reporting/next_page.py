"""How far the labels are, as a line and as a page of its own: whether to label more.

    python -m stages.reporting.next_page next.html

The page holds numbers and no texts of the chat.
"""

from pathlib import Path
from typing import Any

import click

from stages.chat.fingerprint import ANNOTATIONS
from stages.labels.progress import facts, in_words, progress
from stages.labels.reader_curve import MORE, ReaderCurve
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_text
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry
from stages.pipeline.tables import read, rows
from stages.reporting.page import figure

TITLE = "F1 of the readers by number of labels"


def points(curve: ReaderCurve) -> list[dict[str, Any]]:
    """What the figure draws: F1 by the number of labels with bounds, the forecast, and a line for one answer alone."""
    measured = [
        {"kind": "measured", "labels": labels, "f1": f1.value, "low": f1.low, "high": f1.high}
        for labels, f1 in curve.f1_by_size.items()
    ]
    value, low, high = curve.forecast
    later = curve.labels + MORE
    forecast = {"kind": "forecast", "labels": later, "f1": value, "low": low, "high": high}
    ends = (min(curve.f1_by_size), later)
    floor = [{"kind": "one answer", "labels": labels, "f1": curve.always_positive} for labels in ends]
    return [*measured, forecast, *floor]


@click.command(cls=Command, help=__doc__)
@click.argument("page", type=click.Path(path_type=Path))
def main(page: Path) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    so_far = progress(rows(read("data/inquiries.jsonl", Inquiry)), ANNOTATIONS, params())
    click.echo(in_words(so_far))
    drawing = None
    if so_far.curve:
        spec = read_json(folder / "next_page.json") | {"data": {"values": points(so_far.curve)}}
        drawing = figure(spec, TITLE, "f1")
    jinja = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    write_text(page, jinja.get_template("next_page.html").render(facts=facts(so_far), figure=drawing))
    click.echo(f"{page}, to open in any browser")


if __name__ == "__main__":
    main()
