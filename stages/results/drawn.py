"""The figures of dvc.yaml as DVC fills their templates, drawn without a browser."""

import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

import click


def figures(revisions: Sequence[str] = (), targets: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Vega-Lite specifications by the file that they draw: of the workspace, or of revisions and experiments."""
    which = ["diff", *revisions, *(["--targets"] if targets else [])] if revisions else ["show"]
    command = ["dvc", "plots", *which, *targets, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
    return {name: plot["content"] for name, plots in json.loads(done.stdout)["data"].items() for plot in plots}


def svg(spec: dict[str, Any], number: int) -> str:
    """An SVG to stand in a page beside others: its text takes the page's colour, and its ids are its own."""
    from vl_convert import vegalite_to_svg

    ink = "currentColor"
    marks = {"labelColor": ink, "titleColor": ink}
    look = {
        "background": "transparent",
        "title": {"color": ink},
        "axis": marks | {"domainColor": "#8a8a8a", "tickColor": "#8a8a8a", "gridColor": "#8a8a8a", "gridOpacity": 0.3},
        "header": marks,
        "legend": marks,
        "view": {"stroke": "#8a8a8a", "strokeOpacity": 0.3},
    }
    drawn = vegalite_to_svg(spec, config=look, allowed_base_urls=[])
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>figure-{number}-", drawn)


def png(spec: dict[str, Any]) -> bytes:
    """A picture on white, at twice the size, for places that show no SVG."""
    from vl_convert import vegalite_to_png

    return vegalite_to_png(spec, scale=2, allowed_base_urls=[])
