"""What a reviewer reads below a pull request: verdicts before and after, params, metrics, Figure 4, and a warning
where data changed although no param did.

    python -m stages.results.comment main metrics/size.png > comment.md

Compares the workspace with a branch or commit; needs what git holds, and no data.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from stages.law import VERDICTS
from stages.results.drawn import figures, png

FIGURE_4 = "metrics/plots/size.json"
Stage = Mapping[str, Any]


def call(*command: str) -> str:
    """What a command says; click.ClickException with what it complains of where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def at(base: str, path: str) -> str:
    """A file as the base has it; nothing where it has none."""
    done = subprocess.run(["git", "show", f"{base}:{path}"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def verdict(law: str) -> str:
    """A law's metrics as the verdict in words."""
    return VERDICTS[json.loads(law)["verdict"]] if law else "none"


def stages(lock: str) -> dict[str, Stage]:
    return YAML(typ="safe", pure=True).load(lock)["stages"] if lock else {}


def diff(what: str, base: str) -> str:
    """What `dvc params diff` or `dvc metrics diff` says, as Markdown, by path and name, which DVC leaves to chance;
    nothing where it is a head without rows.
    """
    head, rule, *rows = call("dvc", what, "diff", base, "--md").splitlines()
    return "\n".join([head, rule, *sorted(rows)]) if rows else ""


def hashes(stage: Stage, kind: str) -> dict[str, str]:
    return {one["path"]: one["md5"] for one in stage.get(kind, [])}


def unexplained(before: Mapping[str, Stage], after: Mapping[str, Stage]) -> list[tuple[str, str]]:
    """Outputs under data/ whose hash changed though no param of their stage, or of one before it, did: what changed
    instead, and the outputs.
    """
    made = {path: name for name, stage in after.items() for path in hashes(stage, "outs")}

    def causes(name: str) -> set[str]:
        """Changed params, as `param`, and changed files that no stage makes, of a stage and all before it."""
        old, new = before.get(name, {}), after[name]
        found = {"param"} if old.get("params") != new.get("params") else set()
        known = hashes(old, "deps")
        for path, hash in hashes(new, "deps").items():
            if known.get(path) == hash:
                continue
            makers = {stage for out, stage in made.items() if out == path or out.startswith(f"{path}/")}
            found |= set().union(*map(causes, makers)) if makers else {path}
        return found

    groups: dict[str, list[str]] = {}
    for name, stage in after.items():
        known = hashes(before.get(name, {}), "outs")
        changed = [
            path
            for path, hash in hashes(stage, "outs").items()
            if path.startswith("data/") and known.get(path) != hash
        ]
        why = causes(name)
        if changed and "param" not in why:
            reason = ", ".join(f"`{path}`" for path in sorted(why)) or "nothing that DVC knows of"
            groups.setdefault(reason, []).extend(changed)
    return [(reason, ", ".join(f"`{path}`" for path in sorted(paths))) for reason, paths in sorted(groups.items())]


@click.command(help=__doc__)
@click.argument("base")
@click.argument("picture", type=click.Path(path_type=Path))
def main(base: str, picture: Path) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    call("git", "rev-parse", "--verify", f"{base}^{{commit}}")
    files = [Path(path) for path in ("metrics/law.json", "metrics/law_tuned.json", "dvc.lock")]
    now = {str(path): path.read_text(encoding="utf-8") if path.exists() else "" for path in files}
    if drawn := Path(FIGURE_4).exists():
        picture.write_bytes(png(figures([base, "workspace"], [FIGURE_4])[FIGURE_4]))
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False
    )  # Markdown
    text = jinja.get_template("comment.md").render(
        base=base,
        verdicts=[
            (name, verdict(at(base, path)), verdict(now[path]))
            for name, path in (("vanilla", "metrics/law.json"), ("tuned", "metrics/law_tuned.json"))
        ],
        unexplained=unexplained(stages(at(base, "dvc.lock")), stages(now["dvc.lock"])),
        params=diff("params", base),
        metrics=diff("metrics", base),
        picture=picture if drawn else None,
    )
    click.echo(text)


if __name__ == "__main__":
    main()
