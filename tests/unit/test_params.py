"""params.yaml and question.yaml: what is misspelled or impossible is said, not ignored."""

import copy
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.pipeline.definition import Definition
from stages.pipeline.params import params
from stages.pipeline.settings import LARGEST
from tests.conftest import QUESTION, ROOT, change_params

PAPERS = ["qwen1_5_0_5b", "qwen1_5_1_8b", "qwen1_5_moe_a2_7b"]
DEFINITION = f"questions/{QUESTION.name}/question.yaml"


def definition() -> Definition:
    """What the project in the working directory asks."""
    return params().question.definition


def test_the_repositorys_own() -> None:
    p = params(ROOT / "params.yaml")
    assert [p.models[name].size for name in p.ladder] == sorted(p.models[name].size for name in p.ladder)
    assert sum(model.family == "qwen1_5" for model in p.models.values()) == 7
    assert p.question.definition == QUESTION


@pytest.mark.parametrize(
    ("name", "positive", "negative", "words", "judges_filter"),
    [
        ("needs_context", "needed", "not_needed", "not needed", True),
        ("is_question", "question", "not_question", "not question", False),
    ],
)
def test_the_repositorys_questions(name: str, positive: str, negative: str, words: str, judges_filter: bool) -> None:
    p = params(ROOT / "params.yaml").asking(name)
    question = p.question.definition
    assert (p.question.name, question.name, question.folder) == (name, name, ROOT / "questions" / name)
    assert (question.positive, question.negative, question.words("negative")) == (positive, negative, words)
    assert (question.value("positive"), question.value("refused")) == (positive, "refused")
    assert question.words("dont_know") == "don't know"
    assert question.judges_filter is judges_filter
    assert question.guideline.exists()


def test_the_papers_scorers_stand_beside_ours(project: Path) -> None:
    """They are a comment; with its marks taken off it is what the paper did."""
    text = (project / "params.yaml").read_text()
    ours, rest = text.split("  scorers:", 1)
    _, papers = rest.split("  # scorers:", 1)
    pair = "".join(line.replace("  # ", "  ", 1) + "\n" for line in papers.splitlines()[1:3])
    (project / "params.yaml").write_text(f"{ours}  scorers:\n{pair}\nfilter:{papers.split('filter:', 1)[1]}")
    change_params(project, {"filter.throttles": {"is_question": 5, "kimi_is_question": 5}})
    p = params()
    scorers = [(s.name, s.kind, s.next_from, p.models[str(s.model)].engine) for s in p.score.scorers]
    assert scorers == [("is_question", "rate", 5, "vllm"), ("kimi_is_question", "rate", 0, "openai")]


def test_a_number_as_dvc_writes_it(project: Path) -> None:
    text = (project / "params.yaml").read_text().replace("lr: 2.0e-4", "lr: 2e-05")
    (project / "params.yaml").write_text(text)
    assert params().lr == 2e-5


@pytest.mark.parametrize(
    ("change", "message"),
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
        ({"models.moonshot_v1_8k.engine_args": {"tensor_parallel_size": 2}}, "neither engine_args nor chat_template"),
        ({"models.moonshot_v1_8k.chat_template": "{{ x }}"}, "neither engine_args nor chat_template"),
        ({"models.qwen1_5_4b.chat_template": "{% if %}"}, "chat_template: is no Jinja template, line 1"),
        ({"models.smollm2_135m.path": "models/x"}, "has either layers"),
        (
            {"ladder": ["moonshot_v1_8k"], "finetune": ["smollm2_135m"]},
            "moonshot_v1_8k has an endpoint, so its parameters can't be counted",
        ),
        (
            {"models.moonshot_v1_8k.parameters": 1, "ladder": ["moonshot_v1_8k"], "finetune": ["moonshot_v1_8k"]},
            "no weights to train",
        ),
        ({"ingest.phone_regions": ["US", "UK"]}, "ingest.phone_regions: UK: no country's code"),
        (
            {"score.scorers": [{"name": "is_question", "kind": "rules", "next_from": at} for at in (5, 6)]},
            "two scorers have one name",
        ),
        ({"finetune": []}, "finetune: List should have at least 1 item"),
        ({"finetune": ["qwen1_5_moe_a2_7b"], "ladder": PAPERS}, "finetune has no dense model"),
        ({"ladder": [*PAPERS, "smollm2_135m"]}, "ladder mixes qwen1_5 and smollm2; the law compares sizes within one"),
        ({"models.moonshot_v1_8k.endpoint.key": "sk-123"}, "endpoint.key: String should match"),
        ({"ingest.min_messages": 0}, "ingest.min_messages: Input should be greater than or equal to 1"),
        ({"question.name": "Needs context"}, "question.name: String should match"),
        ({"question.name": "../needs_context"}, "question.name: String should match"),
        ({"question.nam": "needs_context"}, "question.nam: unknown key; did you mean name?"),
        ({"filter.sample": 0}, "filter.sample: Input should be greater than or equal to 1"),
        ({"filter.sample": None}, "filter.sample: Input should be a valid integer"),
        ({"question.option_order": "fixed"}, "question.option_order: Input should be"),
        (
            {"question.option_order.training": "random"},
            "question.option_order.training: Input should be 'shuffled' or",
        ),
        ({"question.option_order.train": "fixed"}, "question.option_order.train: unknown key; did you mean training?"),
        ({"evaluate.permutations": 2}, "evaluate.permutations: Input should be 1, 3 or 6"),
        ({"score.scorers": [{"name": "is_question", "kind": "rate"}]}, "names a model"),
        (
            {"score.scorers": [{"name": "is_question", "kind": "mark", "model": "smollm2_135m", "prompt": "en"}]},
            "names a prompt, one of another kind does not",
        ),
        (
            {"score.scorers": [{"name": "is_question", "kind": "tuned", "model": "smollm2_135m", "prompt": "en"}]},
            "names an adapter, one of another kind does not",
        ),
        (
            {
                "score.scorers": [
                    {"name": "is_question", "kind": "probe", "model": "smollm2_135m", "adapter": "data/a"}
                ]
            },
            "names an adapter, one of another kind does not",
        ),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"seed": 2**32}, "seed: Input should be less than 4294967296"),
        ({"seeds": []}, "seeds: List should have at least 1 item"),
        ({"seeds": [1, 0, 1]}, "seeds: names a seed twice"),
        ({"seeds": [0, -1]}, "seeds.1: Input should be greater than or equal to 0"),
        ({"seeds": 0}, "seeds: Input should be a valid list"),
        ({"export.seed": 2**70}, "export.seed: Input should be less than"),
        ({"epochs": float("inf")}, "epochs: Input should be a finite number"),
        ({"lr": float("nan")}, "lr: Input should be a finite number"),
        ({"models.qwen1_5_4b.train": {"lr": -1e-4}}, "models.qwen1_5_4b.train.lr: Input should be greater than 0"),
        ({"concat.gap_seconds": 2**70}, "concat.gap_seconds: Input should be less than 1000000000"),
        ({"evaluate.bootstrap": 1}, "evaluate.bootstrap: Input should be greater than or equal to 40"),
        ({"filter.min_chars": True}, "filter.min_chars: Input should be a valid integer"),
        ({"lora_dropout": False}, "lora_dropout: Input should be a valid number"),
        ({"filter.window": "12"}, "filter.window: Input should be a valid integer"),
        ({"filter.window": 12.0}, "filter.window: Input should be a valid integer"),
        ({"train.packing": "yes"}, "train.packing: Input should be a valid boolean"),
        ({"train.packing": 0}, "train.packing: Input should be a valid boolean"),
        ({"train.targets": []}, "train.targets.names: List should have at least 1 item"),
        ({"train.targets": 3}, "train.targets.name: Input should be a valid string"),
        ({"ingest.path": ""}, "ingest.path: must not be blank or hold control characters"),
        ({"ingest.path": "data/a\nb.jsonl"}, "ingest.path: must not be blank or hold control"),
        ({"ingest.columns.text": " "}, "ingest.columns.text: must not be blank"),
        ({"ingest.path": "a" * 5000}, "ingest.path: String should have at most 4096 characters"),
        ({"fetch.base.requirement": "--pre==1"}, "fetch.base.requirement: String should match"),
        ({"models.qwen1_5_4b.hub": "../../model"}, "models.qwen1_5_4b.hub: String should match"),
        (
            {"models.qwen1_5_4b.engine_args": {"swap_space": float("nan")}},
            "engine_args.swap_space.float: Input should",
        ),
    ],
)
def test_what_is_wrong_is_said(
    project: Path, set_params: Callable[..., None], change: dict[str, Any], message: str
) -> None:
    set_params(**change)
    with pytest.raises(click.ClickException) as error:
        params()
    assert message in error.value.message


@pytest.mark.parametrize("key", ["question.name", "filter.sample"])
def test_a_key_that_is_missing(project: Path, key: str) -> None:
    section, name = key.split(".")
    head, rest = (project / "params.yaml").read_text().split(f"\n{section}:\n")
    rest = "".join(line for line in rest.splitlines(keepends=True) if not line.startswith(f"  {name}:"))
    (project / "params.yaml").write_text(f"{head}\n{section}:\n{rest}")
    with pytest.raises(click.ClickException) as error:
        params()
    assert error.value.message == f"params.yaml:\n  {key}: Field required"


def test_a_question_that_is_missing(project: Path, set_params: Callable[..., None]) -> None:
    """By its name in params.yaml or as an option of a command; an empty folder is none."""
    p = params()
    (project / "questions" / "empty").mkdir()
    for name in ("is_rude", "empty"):
        missing = f"question.name: there is no questions/{name}/question.yaml; the questions are"
        with pytest.raises(click.ClickException) as error:
            p.asking(name)
        assert error.value.message == f"{missing} is_question, needs_context"
        set_params(**{"question.name": name})
        with pytest.raises(click.ClickException) as error:
            definition()
        assert error.value.message == f"{missing} is_question, needs_context"
    shutil.rmtree(project / "questions")
    with pytest.raises(click.ClickException, match=r"the questions are none$"):
        definition()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("means: positive", "means: left_out", "labels: 0 of them mean positive, and one must"),
        ("means: left_out", "means: positive", "labels: 2 of them mean positive, and one must"),
        ("means: negative", "means: left_out", "labels: 0 of them mean negative, and one must"),
        ("means: left_out", "means: negative", "labels: 2 of them mean negative, and one must"),
        ("means: negative", "means: no", "labels.not_needed.means: Input should be 'positive', 'negative' or"),
        ("means: negative", "mean: negative", "labels.not_needed.mean: unknown key; did you mean means?"),
        (", means: negative", "", "labels.not_needed.means: Field required"),
        ("key: k", "key: j", "labels: needed and not_needed have one key, j"),
        ("not_needed:", "positive:", "labels: one that is called positive or negative must mean it"),
        ("not_question:", "dont_know:", "labels: dont_know has a meaning of its own, and no label may be called so"),
        ("key: k", "key: s", "labels.not_needed.key: s, u, n, q have other meanings in the terminal"),
        ("key: k", "key: u", "labels.not_needed.key: s, u, n, q have"),
        ("key: k", "key: n", "labels.not_needed.key: s, u, n, q have"),
        ("key: k", "key: q", "labels.not_needed.key: s, u, n, q have"),
        ("key: k", "key: K", "labels.not_needed.key: String should match"),
        ("key: k", "key: kk", "labels.not_needed.key: String should match"),
        ("key: k", 'key: ""', "labels.not_needed.key: String should match"),
        ("key: k", "key: 12", "labels.not_needed.key: String should match"),
        ("key: k", "key: true", "labels.not_needed.key: Input should be a valid string"),
        ("  not_needed:", "  not-needed:", "labels.not-needed.[key]: String should match"),
        ("  not_needed:", "  needed:", 'is not YAML: found duplicate key "needed"'),
        ("asks:", "ask:", "ask: unknown key; did you mean asks?"),
        ("asks: Does", "asks:  # Does", "asks: Input should be a valid string"),
        ("asked_of: inquiries", "asked_of: everybody", "asked_of: Input should be 'inquiries' or 'turns'"),
        ("asked_of: inquiries", "history: 1", "history: Input should be a valid boolean"),
        ("asked_of: inquiries", "histroy: true", "histroy: unknown key; did you mean history?"),
        ("asked_of: inquiries", "", "asked_of: Field required"),
        ("pointing_words]", "long_words]", "rules.2: Input should be 'not_the_first_turn', 'at_most_12_words' or"),
        ("cr_need_gt", "label", "export_field: Input should be 'cr_need_gt'"),
        ("labels:", "labels: [", "is not YAML"),
    ],
)
def test_what_is_wrong_in_a_question_is_said(project: Path, old: str, new: str, message: str) -> None:
    text = (project / DEFINITION).read_text()
    assert old in text
    (project / DEFINITION).write_text(text.replace(old, new, 1))
    with pytest.raises(click.ClickException) as error:
        definition()
    assert error.value.message.startswith(DEFINITION)
    assert message in error.value.message


def test_a_digit_is_a_key_without_quotes(project: Path) -> None:
    text = (project / DEFINITION).read_text()
    (project / DEFINITION).write_text(text.replace("key: k", "key: 1", 1))
    assert definition().labels["not_needed"].key == "1"


def test_all_mistakes_at_once(project: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"lr": "fast", "epochs": -1})
    with pytest.raises(click.ClickException) as error:
        params()
    assert "lr:" in error.value.message
    assert "epochs:" in error.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "valid dictionary"),
        (b"a: [", "line 1 is not YAML"),
        (b"lr: 1\nlr: 2", 'line 2 is not YAML: found duplicate key "lr"'),
        (b"lr: !!python/object/apply:os.system ['touch ran']", "line 1 is not YAML: tags"),
        (b"a: &a 1\nb: *a", "line 2 is not YAML: tags (!) and aliases (*) are not read"),
        (b"a: 2024-13-01", "is not YAML: month must be in 1..12"),
        (b"seed: " + b"1" * 5000, "is not YAML"),
        (b"[" * 5000, "nested too deep"),
        (b"a: \x1b[2J", "is not YAML: unacceptable character"),
        (b"a: \xff", "is not UTF-8: byte 3"),
        (b"#" * (LARGEST + 1), "is larger than"),
    ],
)
def test_no_params(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(click.ClickException) as error:
        params(tmp_path / "params.yaml")
    assert message in error.value.message
    assert str(tmp_path / "params.yaml") in error.value.message
    assert len(error.value.message.splitlines()) <= 2  # the file, and what is wrong in it
    assert error.value.message.replace("\n", "").isprintable()


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="can't be read: Is a directory"):
        params(tmp_path)


def test_many_wrong_keys_are_cut(project: Path) -> None:
    with (project / "params.yaml").open("a") as file:
        file.writelines(f'"wrong {i}\\e[2J": 1\n' for i in range(1000))
    with pytest.raises(click.ClickException) as error:
        params()
    lines = error.value.message.splitlines()
    assert len(lines) == 22
    assert "wrong 0\\x1b[2J: unknown key" in lines[1]
    assert lines[-1] == "  and 980 more"


def numbers(values: Any, *place: str | int) -> list[tuple[str | int, ...]]:
    """The places of the numbers below a value, as keys and indices."""
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        return [number for key, value in pairs for number in numbers(value, *place, key)]
    return [place] if type(values) in (int, float) else []


VALUES = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
ANY_NUMBER = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**32, 2**63, 2**64, 2**70, -(2**63)])
FUZZ = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(place=st.sampled_from(numbers(VALUES)), value=ANY_NUMBER | st.booleans() | st.text())
def test_any_number_is_taken_or_named(project: Path, place: tuple[str | int, ...], value: Any) -> None:
    """And if it is taken it fits into what computes with it."""
    changed = copy.deepcopy(VALUES)
    section = functools.reduce(lambda values, key: values[key], place[:-1], changed)
    section[place[-1]] = value
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False  # between braces it writes texts that it can't read, such as ?0
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(changed, file)
    key = ".".join(map(str, place))
    try:
        params()
    except click.ClickException as error:
        file_name, line = error.message.splitlines()
        assert file_name == "params.yaml:"
        assert key in line or (place[0] == "export" and line.startswith("  export: dev ("))
    else:
        if "engine_args" not in place:  # vLLM's own
            assert type(value) in (int, float) or (key, value) == ("question.window", "auto")
            assert value == "auto" or 0 <= value < 2**53 or "endpoint" in place


@pytest.mark.parametrize("name", ["params.yaml", DEFINITION])
@FUZZ
@given(data=st.data())
def test_any_damage_is_said_in_lines(project: Path, name: str, data: st.DataObject) -> None:
    whole = (ROOT / name).read_bytes()
    tokens = [
        b":",
        b"\n",
        b"- ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&a ",
        b"*a",
        b"!!int ",
        b'"',
        b"'",
        b"|",
        b"#",
        b"? ",
        b"<<: ",
    ]
    place = data.draw(st.integers(0, len(whole)))
    token = data.draw(st.sampled_from([*tokens, b"\t", b"\0", b"2024-99-99", b"0x", b"%"]) | st.binary(max_size=6))
    (project / name).write_bytes(whole[:place] + token + whole[place + data.draw(st.integers(0, 30)) :])
    try:
        definition() if name == DEFINITION else params()
    except click.ClickException as error:
        assert error.message.startswith(name)
        assert error.message.replace("\n", "").isprintable()


def test_every_key_says_its_effect() -> None:
    """Each line of the top level and of the stages' sections with a value ends with a comment."""
    yaml = YAML()
    text = (ROOT / "params.yaml").read_text().split("\nmodels:")[0]
    sections = [key for key in yaml.load(text) if key != "fetch"]
    assert len(sections) > 10
    for line in text.split("\nfetch:")[0].splitlines() + text.split("\ningest:")[1].splitlines():
        if ": " in line and not line.startswith("#") and "- {" not in line:
            assert "  # " in line, line
