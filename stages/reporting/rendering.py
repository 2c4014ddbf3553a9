"""The figures of dvc.yaml as DVC fills their templates, drawn without a browser."""

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from stages.pipeline.shell import output_of

WIDER = 2.1  # times a template's width: one fits a phone, this the column of a page
BOLD, PLAIN = 7.5, 6.2  # pixels of a letter of headers and of other labels, about
SYMBOL = 18  # pixels of a legend's symbol with the space beside it
AXIS = 38  # pixels beside a plot that a legend below it can use


def figures(revisions: Sequence[str] = (), targets: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Vega-Lite specifications by the file that they draw: of the workspace, or of revisions and experiments."""
    which = ["diff", *revisions, *(["--targets"] if targets else [])] if revisions else ["show"]
    plots = json.loads(dvc("plots", *which, *targets, "--json"))["data"]
    return {name: plot["content"] for name, drawn in plots.items() for plot in drawn}


def dvc(*command: str) -> str:
    return output_of(sys.executable, "-m", "dvc", *command)


def svg(spec: dict[str, Any], prefix: str, wider: float = 1) -> str:
    """An SVG to stand in a page beside others: without the title, which the page writes, in the page's colour of text,
    and with ids that begin with `prefix`.
    """
    from vl_convert import vegalite_to_svg

    ink, size = "currentColor", 12
    marks = {"labelColor": ink, "titleColor": ink, "labelFontSize": size, "titleFontSize": size}
    look = {
        "background": "transparent",
        "axis": marks | {"domainColor": "#8a8a8a", "tickColor": "#8a8a8a", "gridColor": "#8a8a8a", "gridOpacity": 0.3},
        "header": marks,
        "legend": marks
        | {"symbolBaseFillColor": ink, "symbolBaseStrokeColor": ink}
        | {"layout": {"bottom": {"direction": "vertical", "margin": 8}}},  # one below the other
        "view": {"stroke": "#8a8a8a", "strokeOpacity": 0.3},
    }
    image = vegalite_to_svg(with_lines(widened(spec, wider)) | {"title": None}, config=look, allowed_base_urls=[])
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", image)


def widened(spec: dict[str, Any], times: float) -> dict[str, Any]:
    """A specification whose plots, those of a facet too, are so many times as wide."""
    if "spec" in spec:
        return spec | {"spec": widened(spec["spec"], times)}
    return spec | {"width": spec["width"] * times}


def with_lines(spec: dict[str, Any]) -> dict[str, Any]:
    """A specification whose long names stand on several lines where they would be cut: in headers of facets, in
    legends and beside an axis with a limit.
    """
    plot_width = spec.get("spec", spec)["width"]

    def changed(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [changed(key, part) for part in value]
        if not isinstance(value, dict):
            return value
        if key == "header":
            return value | lines_of(value, plot_width / BOLD)
        if key == "legend" and "columns" in value:
            return value | lines_of(value, ((plot_width + AXIS) / value["columns"] - SYMBOL) / PLAIN)
        if key == "axis" and "labelLimit" in value:
            return value | lines_of(value, value["labelLimit"] / PLAIN)
        return {name: part if name == "data" else changed(name, part) for name, part in value.items()}

    return changed("", spec)


def lines_of(labels: dict[str, Any], letters: float) -> dict[str, Any]:
    """The settings that break labels into lines of so many letters, after `_`, `-` or a space where a line has one.
    `labels` are their settings so far; an expression among them gives a list of lines.
    """
    label = f"join({labels['labelExpr']}, '\\n')" if "labelExpr" in labels else "datum.label"
    most = max(2, int(letters))
    line = f"(.{{1,{most}}}$|.{{1,{most - 1}}}[-_ ]|.{{{most}}})"
    broken = f"replace({label}, regexp('{line}', 'gm'), '$1\\n')"
    return {"labelExpr": f"split(trim(replace({broken}, regexp('\\n+', 'g'), '\\n')), '\\n')", "labelLimit": 0}


def png(spec: dict[str, Any]) -> bytes:
    """A picture on white, at twice the size, for places that show no SVG."""
    from vl_convert import vegalite_to_png

    return vegalite_to_png(spec, scale=2, allowed_base_urls=[])
