"""What masking finds, keeps and costs: on what is planted, on a log, beside the rules of other libraries.

    python -m tests.benchmarks.masking LOG.jsonl

The first table has the plants of tests/plants.py that each finds, by kind: ours, detect-secrets, and the patterns and
checksums of presidio-analyzer where it is installed (its language model isn't asked). Wrongly found are texts of
HARMLESS. With a log of messages (sender and text) the second table has the names that are left in it, by where they
stand, and the last line the speed.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from stages.chat.masking import mask
from stages.chat.mentions import Names
from tests.plants import HARMLESS, MENTIONS, PEOPLE, PLANTS

Finder = Callable[[str], Iterable[str]]  # the private parts of a text
REGIONS = ["US", "GB", "CN"]
PLACES = {  # where a name is left, the first that fits
    "a line begins with it": r"(?<![^\n])",
    "after a line's other names": r"(?<=\0[,:] )|(?<=\0 )",
    "in a sentence": "",
}


def detect_secrets() -> Finder:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    rules: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
    plugins = [rule() for rule in rules]

    def find(text: str) -> Iterable[str]:
        lines = text.splitlines()
        secrets = [secret for plugin in plugins for line in lines for secret in plugin.analyze_line("", line, 1)]
        return [str(secret.secret_value) for secret in secrets]

    return find


def presidio() -> Finder:
    """Raises ImportError where it isn't installed."""
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
    )

    recognizers = [
        *(
            recognizer_class()
            for recognizer_class in (CreditCardRecognizer, EmailRecognizer, IbanRecognizer, IpRecognizer)
        ),
        PhoneRecognizer(supported_regions=REGIONS),
    ]

    def find(text: str) -> Iterable[str]:
        results = [
            result
            for recognizer in recognizers
            for result in recognizer.analyze(text, recognizer.supported_entities, None)
        ]
        return [text[result.start : result.end] for result in results if result.score >= 0.4]

    return find


def remaining_names(names: Names, people: Iterable[str], texts: Iterable[str]) -> Counter[tuple[str, bool]]:
    """The names of three characters or more that are left in texts, by where they stand."""
    longest_first = sorted(people, key=len, reverse=True)
    known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    counts: Counter[tuple[str, bool]] = Counter()
    for text in texts:
        text_without_mentions = names.hide(text)[0]
        for match in known.finditer(text_without_mentions):
            place = next(
                place
                for place, where in PLACES.items()
                if re.compile(where).match(text_without_mentions, match.start())
            )
            counts[place, names.is_word([match[0].casefold()])] += 1
    return counts


@click.command(help=__doc__)
@click.argument("log", type=click.Path(exists=True, path_type=Path), required=False)
def main(log: Path | None) -> None:
    finders: dict[str, Finder] = {"detect-secrets": detect_secrets()}
    try:
        finders["presidio"] = presidio()
    except ImportError:
        click.echo("presidio-analyzer is not installed", err=True)
    kinds = list(dict.fromkeys(plant.kind for plant in PLANTS))
    click.echo("| | " + " | ".join((*kinds, "wrongly")) + " |\n|" + "---|" * (len(kinds) + 2))
    totals = Counter(plant.kind for plant in PLANTS)
    right = Counter(plant.kind for plant in PLANTS if mask(plant.text, REGIONS, Counter()) == plant.masked)
    error_count = sum(mask(text, REGIONS, Counter()) != text for text in HARMLESS)
    cells = [f"{right[kind]} of {totals[kind]}" for kind in kinds]
    click.echo(f"| ours | {' | '.join(cells)} | {error_count} of {len(HARMLESS)} |")
    for name, find in finders.items():
        right = Counter(
            plant.kind
            for plant in PLANTS
            if any(part in plant.private or plant.private in part for part in find(plant.text))
        )
        error_count = sum(any(find(text)) for text in HARMLESS)
        click.echo(f"| {name} | {' | '.join(str(right[kind]) for kind in kinds)} | {error_count} |")
    names = Names(lambda sender: f"~{sender}~")
    for person in PEOPLE:
        names.learn(person, ())
    right_names = sum(names.hide(text)[0] == (expected or text) for text, expected in MENTIONS)
    click.echo(f"\nmentions: {right_names} of {len(MENTIONS)} texts as they must be")
    if log:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        names, start = Names(lambda sender: "\0"), time.process_time()
        for row in rows:
            names.learn(row["sender"], (), row["text"])
        for row in rows:
            mask(names.hide(row["text"])[0], REGIONS, Counter())
        seconds = time.process_time() - start
        people = {row["sender"] for row in rows if len(row["sender"]) > 2}
        counts = remaining_names(names, people, (row["text"] for row in rows))
        click.echo("\n| names left | no words | words of the log too |\n|---|---|---|")
        for place in PLACES:
            click.echo(f"| {place} | {counts[place, False]} | {counts[place, True]} |")
        click.echo(f"\n{len(rows)} messages, {len(rows) / seconds:,.0f} a second")


if __name__ == "__main__":
    main()
