"""The grid of Table 3, its settings, and means over seeds."""

from collections.abc import Callable

from ruamel.yaml import YAML

from stages.studies.ablation import experiment, mean, methods_of, settings, table
from stages.tools.compare import beside
from tests.conftest import ROOT

GRID = methods_of(ROOT / "recipes" / "ablation.yaml", ROOT / "recipes" / "paper.yaml")


def test_the_grid_is_the_papers() -> None:
    plain = {"lr": 2e-4, "epochs": 1, "min_steps": 0, "lora_rank": 64, "loraplus_ratio": 0}  # paper, section 4
    assert GRID["lr_2e_4"] == GRID["rank_64"] == plain
    assert GRID["rank_128"] == plain | {"lora_rank": 128}
    assert GRID["lora_plus_4"] == plain | {"lr": 5e-5, "loraplus_ratio": 16, "epochs": 4}
    paper = YAML(typ="safe", pure=True).load((ROOT / "data" / "paper.yaml").read_text())["table_3"]
    assert list(paper) == ["vanilla", *GRID]
    assert paper["lr_2e_4"] == paper["rank_64"]
    assert experiment("m", GRID, "rank_64", "dev", 0) == experiment("m", GRID, "lr_2e_4", "dev", 0)
    assert len({experiment("m", GRID, method, "dev", 0) for method in GRID}) == len(GRID) - 1


def test_a_models_own_settings_do_not_hide_those_of_the_grid(set_params: Callable[..., None]) -> None:
    set_params(**{"models.qwen1_5_7b.train": {"lora_rank": 16}})
    assert "models.qwen1_5_7b.train.lora_rank=32" in settings("qwen1_5_7b", GRID["rank_32"], "dev", 0)
    assert "lora_rank=32" in settings("qwen1_5_4b", GRID["rank_32"], "dev", 0)
    assert "seeds=[3]" in settings("qwen1_5_7b", GRID["lr_2e_5"], "dev", 3)
    assert "lr=2e-05" in settings("qwen1_5_7b", GRID["lr_2e_5"], "dev", 0)


def test_seeds_are_averaged() -> None:
    runs = [{"f1": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.2, "n": 7} for f1 in (0.4, 0.6)]
    two_seeds = mean(runs)
    assert two_seeds == {
        "f1": 0.5, "f1_low": 0.4, "f1_high": 0.7, "n": 7, "seeds": 2, "f1_least": 0.4, "f1_most": 0.6,
    }  # fmt: skip
    one_seed = mean(runs[:1])
    assert table({"vanilla": {"dev": one_seed, "test": two_seeds}}).splitlines()[-1] == (
        "| vanilla | 40.00 (30.00 to 60.00) | 50.00 (40.00 to 70.00; seeds 40.00 to 60.00) |"
    )


def test_beside_the_paper() -> None:
    text = beside({"ours": {"f1": 0.5}}, {"theirs": {"f1": 51.25}}, {"f1": lambda row: f"{row['f1']:.2f}"})
    assert text.splitlines() == [
        "|  | f1 | paper: f1 |",
        "|---|---|---|",
        "| theirs |  | 51.25 |",
        "| ours | 0.50 |  |",
    ]
