"""params.yaml: what is misspelled or impossible is said, not ignored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from stages.params import params
from tests.conftest import ROOT

PAPERS = ["qwen1_5_0_5b", "qwen1_5_1_8b", "qwen1_5_moe_a2_7b"]


def test_the_repositorys_own() -> None:
    p = params(ROOT / "params.yaml")
    assert [p.models[name].size for name in p.ladder] == sorted(p.models[name].size for name in p.ladder)
    assert sum(model.family == "qwen1_5" for model in p.models.values()) == 7


def test_the_papers_scorers_stand_beside_ours(project: Path) -> None:
    """They are a comment; with its marks taken off it is what the paper did."""
    text = (project / "params.yaml").read_text()
    ours, rest = text.split("  scorers:", 1)
    _, papers = rest.split("  # scorers:", 1)
    pair = "".join(line.replace("  # ", "  ", 1) + "\n" for line in papers.splitlines()[1:3])
    (project / "params.yaml").write_text(f"{ours}  scorers:\n{pair}  min_chars:{papers.split('min_chars:', 1)[1]}")
    p = params()
    found = [(s.name, s.kind, s.throttle, p.models[str(s.model)].engine) for s in p.filter.scorers]
    assert found == [("is_question", "rate", 5, "vllm"), ("kimi_is_question", "rate", 5, "openai")]


def test_a_number_as_dvc_writes_it(project: Path) -> None:
    text = (project / "params.yaml").read_text().replace("lr: 2.0e-4", "lr: 2e-05")
    (project / "params.yaml").write_text(text)
    assert params().lr == 2e-5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"leraning_rate": 1}, "leraning_rate: unknown key"),
        ({"concat.gap_second": 1}, "concat.gap_second: unknown key; did you mean gap_seconds?"),
        ({"models.smollm2_135m.layer": 1}, "unknown key; did you mean layers?"),
        ({"ladder": ["smolm2_135m"]}, "ladder names the model 'smolm2_135m', which is not under models; did you mean"),
        ({"finetune": ["qwen1_5_4b"]}, "finetune names qwen1_5_4b, which is not in ladder"),
        ({"ladder": ["smollm2_135m", "smollm2_135m"]}, "ladder names a model twice"),
        ({"ladder": "smollm2_135m"}, "ladder: Input should be a valid list"),
        ({"lr": "fast"}, "lr: Input should be a valid number"),
        ({"lr": -1}, "lr: Input should be greater than 0"),
        ({"ingest.format": "smoke_signals"}, "ingest.format: Input should be"),
        ({"export.dev": 0.6, "export.test": 0.4}, "leave nothing to train on"),
        ({"models.qwen1_5_4b.revision": None}, "needs a revision"),
        ({"models.smollm2_135m.hub": "a/b"}, "has either layers"),
        ({"models.smollm2_135m.engine": "openai"}, "a model with an endpoint has the engine openai"),
        ({"models.smollm2_135m.engine_args": {"tensor_parallel_size": 2}}, "the engine must be vllm"),
        ({"ladder": ["moonshot_v1_8k"], "finetune": ["smollm2_135m"]}, "moonshot_v1_8k has no parameters"),
        (
            {"models.moonshot_v1_8k.parameters": 1, "ladder": ["moonshot_v1_8k"], "finetune": ["moonshot_v1_8k"]},
            "no weights to train",
        ),
        ({"ingest.phone_regions": ["US", "UK"]}, "ingest.phone_regions: Value error, UK: no country's code"),
        (
            {"filter.scorers": [{"name": "is_question", "kind": "rules", "throttle": at} for at in (5, 6)]},
            "two scorers have one name",
        ),
        ({"finetune": []}, "finetune: List should have at least 1 item"),
        ({"finetune": ["qwen1_5_moe_a2_7b"], "ladder": PAPERS}, "finetune has no dense model"),
        ({"ladder": [*PAPERS, "smollm2_135m"]}, "ladder mixes qwen1_5 and smollm2; the law compares sizes within one"),
        ({"models.moonshot_v1_8k.endpoint.key": "sk-123"}, "endpoint.key: String should match"),
        ({"evaluate.permutations": 2}, "evaluate.permutations: Input should be 1, 3 or 6"),
        ({"filter.scorers": [{"name": "is_question", "kind": "rate", "throttle": 5}]}, "names a model"),
        (
            {
                "filter.scorers": [
                    {"name": "is_question", "kind": "mark", "model": "smollm2_135m", "throttle": 5, "prompt": "en"}
                ]
            },
            "names a prompt, one of kind rules or mark does not",
        ),
    ],
)
def test_what_is_wrong_is_said(
    project: Path, set_params: Callable[..., None], change: dict[str, Any], said: str
) -> None:
    set_params(**change)
    with pytest.raises(click.ClickException) as error:
        params()
    assert said in error.value.message


def test_all_mistakes_at_once(project: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"lr": "fast", "epochs": -1})
    with pytest.raises(click.ClickException) as error:
        params()
    assert "lr:" in error.value.message
    assert "epochs:" in error.value.message


@pytest.mark.parametrize(("text", "said"), [("a: [", "is not YAML"), (None, "is missing")])
def test_no_params(tmp_path: Path, text: str | None, said: str) -> None:
    if text:
        (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(click.ClickException, match=said):
        params(tmp_path / "params.yaml")


def test_every_key_says_its_effect() -> None:
    """Each line of the top level and of the stages' sections with a value ends with a comment."""
    yaml = YAML()
    text = (ROOT / "params.yaml").read_text().split("\nmodels:")[0]
    sections = [key for key in yaml.load(text) if key != "fetch"]
    assert len(sections) > 10
    for line in text.split("\nfetch:")[0].splitlines() + text.split("\ningest:")[1].splitlines():
        if ": " in line and not line.startswith("#") and "- {" not in line:
            assert "  # " in line, line
