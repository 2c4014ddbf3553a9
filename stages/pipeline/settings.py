"""Files of settings as typed, validated values. An unknown or misspelled key is an error, never ignored."""

import difflib
import unicodedata
from pathlib import Path
from typing import Annotated, Any, TypeVar

import click
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

LARGEST = 2**18  # bytes of a file, thirty times params.yaml: what is larger is another file
SHOWN = 20  # wrong keys in one message


def _printable(text: str) -> str:
    if not text.strip() or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("must not be blank or hold control characters")
    return text


Text = Annotated[str, Field(max_length=4096), AfterValidator(_printable)]
# A dot breaks DVC's -S and templating, a bare number as a key vanishes.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]


class Section(BaseModel):
    """Strict: a boolean is no number and `yes` no boolean."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Section)


def checked(path: Path, model: type[Settings]) -> Settings:
    """The settings in a YAML file. Raises click.ClickException with one line for each wrong key."""
    raw = _load(path)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = []
        for one in error.errors(include_url=False, include_input=False):
            key = ".".join(str(part) for part in one["loc"])
            if one["type"] == "extra_forbidden":
                lines.append(f"  {key}: unknown key{did_you_mean(str(one['loc'][-1]), _keys_beside(one, model))}")
            else:
                message = one["msg"].removeprefix("Value error, ")
                lines.append(f"  {key}: {message}" if key else f"  {message}")
        more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise click.ClickException("\n".join([f"{path}:", *map(_one_line, lines[:SHOWN]), *more])) from error


def did_you_mean(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f" (known: {', '.join(names)})"


def _keys_beside(error: Any, model: type[Section]) -> list[str]:
    """The keys that would have been allowed where pydantic met an unknown one."""
    section: Any = model
    for part in error["loc"][:-1]:
        if isinstance(part, int) or section is None:
            continue
        field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
        section = next((t for t in _section_types(field.annotation)), None) if field else section
    return list(section.model_fields) if section else []


def _section_types(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in getattr(annotation, "__args__", ()) for section in _section_types(part)]


class WrittenOut(Composer):
    """YAML without tags, which make other things than values, and without aliases, which can grow without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent) or event.tag is not None:
            raise ComposerError(None, None, "tags (!) and aliases (*) are not read: write the value", event.start_mark)
        return super().compose_node(parent, index)


def _load(path: Path) -> Any:
    """The values of a YAML file. YAML 1.2 (ruamel), since DVC writes `lr: 2e-05`, which YAML 1.1 reads as a string."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = WrittenOut
    try:
        if path.stat().st_size > LARGEST:
            raise click.ClickException(f"{path} is larger than {LARGEST} bytes")
        return yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise click.ClickException(f"{path} is missing: run stages from the project's root") from error
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8: byte {error.start}") from error
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise click.ClickException(_one_line(f"{path}{line} is not YAML: {error.problem}")) from error
    except RecursionError as error:
        raise click.ClickException(f"{path} is nested too deep") from error
    except (YAMLError, ValueError) as error:  # such as a date in a 13th month, or a number of 5,000 digits
        raise click.ClickException(_one_line(f"{path} is not YAML: {error}")) from error


def _one_line(text: str) -> str:
    """Of what may stand in a file: printable, and cut."""
    line = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    return line if len(line) <= 300 else f"{line[:300]}…"
