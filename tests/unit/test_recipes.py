"""Recipes: their settings as the options of an experiment."""

import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.pipeline.experiments import overrides, recipe
from stages.pipeline.params import params
from tests.clones import call
from tests.conftest import ROOT
from tests.unit.test_commands import HOSTILE

VALUES = [
    HOSTILE, "${lr}", r"\${lr}", r"\\${lr}", "\\", r"a\'b", r"\\'", "null", "true", "2e-5", "", " é房间 ", "a,b",
    "[a]", "a=b", "{a:b}", "two\nlines", True, None, 0, 2e-5, [], ["a'b", 1, [2.5, "c d"]],
    [{"name": "x y", "throttle": 0.1}],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_arrives_as_it_is(tmp_path: Path, value: Any) -> None:
    """Through the function of DVC that fills -S in."""
    from dvc.utils.hydra import apply_overrides

    file = tmp_path / "params.yaml"
    file.write_text("lr: 1\nsection: {key: 0}\n")
    apply_overrides(file, overrides({"section.key": value})[1::2])
    stored = YAML(typ="safe", pure=True).load(file.read_text())["section"]["key"]
    assert (stored, type(stored)) == (value, type(value))


def value_of(key: str) -> Any:
    """What params.yaml has under a key with dots. Raises KeyError where it has none."""
    place = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    for part in key.split("."):
        place = place[part]
    return place


def test_the_papers_settings_are_keys_that_params_has() -> None:
    settings = recipe(ROOT / "recipes" / "paper.yaml")
    same = {"lr", "question.option_order.evaluation"}
    assert {key for key, value in settings.items() if value == value_of(key)} == same  # the rest is another
    assert settings["question.option_order.training"] == "shuffled"
    models = params(ROOT / "params.yaml").models
    assert settings["ladder"] == settings["finetune"] == [name for name in models if name.startswith("qwen1_5")]


def test_a_recipe_without_settings(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    output = call(ROOT, sys.executable, "-m", "stages.tools.experiment", str(tmp_path / "empty.yaml"), "x", fails=True)
    assert "has no settings" in output
