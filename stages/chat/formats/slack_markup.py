"""Slack's markup, mrkdwn, as the text that people see, but with ids for people, groups and channels.

Blocks are put into mrkdwn first. Emphasis has no signs there, as people see none.
"""

import re
from datetime import UTC, datetime
from typing import Any

from stages.chat import NamePairs, name_pairs

MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")  # a sign for the kind, a target, and maybe a label
BROADCASTS = ("here", "channel", "everyone", "group")
INDENT = "    "  # of a list in a list


def plain_text(markup: str) -> str:
    """What Slack shows for markup and its three entities."""
    text = MARKUP.sub(_shown, markup)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentioned_names(markup: str) -> NamePairs:
    """The ids and the labels of the people who are mentioned."""
    mentions = ((target, label) for kind, target, label in MARKUP.findall(markup) if kind == "@")
    return tuple(pair for target, label in mentions for pair in name_pairs(target, target, label))


def markup_of_blocks(blocks: list[dict[str, Any]]) -> str:
    """The markup of the blocks that hold a person's words."""
    return _lines([_markup_of_block(block) for block in blocks])


def _shown(match: re.Match[str]) -> str:
    kind, target, label = match.groups()
    if kind == "@":
        return f"@{target}"
    if kind != "!":
        return kind + (label or target)
    name, _, argument = target.partition("^")  # <!here>, <!subteam^ID|@team>, <!date^SECONDS^FORMAT|date>
    if name in BROADCASTS:
        return f"@{name}"
    if name == "date":
        return label or _day(argument.partition("^")[0])
    return label or f"@{argument or name}"


def _day(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).date().isoformat()


def _markup_of_block(block: dict[str, Any]) -> str:
    """A block's markup. A `context` is an app's note, and other kinds are no text."""
    kind = block["type"]
    if kind == "rich_text":
        return _lines([_rich_text(element) for element in block.get("elements") or []])
    if kind in ("section", "header"):
        return _lines([part["text"] for part in (block.get("text"), *(block.get("fields") or [])) if part])
    return _escaped(block["text"]) if kind == "markdown" else ""


def _rich_text(element: dict[str, Any]) -> str:
    """A part of a rich text: a section, a list, a quote or preformatted lines; or what such a part consists of."""
    kind, elements = element["type"], element.get("elements") or []
    if kind == "rich_text_list":
        return _list(element, [_rich_text(item) for item in elements])
    if kind == "rich_text_quote":
        quoted = "".join(map(_rich_text, elements)).removesuffix("\n")
        return "\n".join(f"&gt; {line}" for line in quoted.split("\n"))
    return "".join(map(_rich_text, elements)) if elements else _inline(element)


def _list(element: dict[str, Any], items: list[str]) -> str:
    indent = INDENT * (element.get("indent") or 0)
    first_number = (element.get("offset") or 0) + 1
    is_ordered = element.get("style") == "ordered"
    return "\n".join(
        f"{indent}{f'{number}.' if is_ordered else '•'} {item}"
        for number, item in enumerate(items, start=first_number)
    )


def _inline(element: dict[str, Any]) -> str:
    """An element of a line of rich text. An unknown one shows the text that it has."""
    kind = element["type"]
    if kind == "link":
        url, label = _escaped(element["url"]), element.get("text")
        return f"<{url}|{_escaped(label)}>" if label else f"<{url}>"
    if kind == "user":
        return f"<@{element['user_id']}>"
    if kind == "usergroup":
        return f"<!subteam^{element['usergroup_id']}>"
    if kind == "channel":
        return f"<#{element['channel_id']}>"
    if kind == "broadcast":
        return f"<!{element['range']}>"
    if kind == "emoji":
        return f":{element['name']}:"
    if kind == "date":
        return _escaped(element.get("fallback") or _day(str(element["timestamp"])))
    return _escaped(element.get("text") or element.get("value") or "")  # `value` of a colour


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(parts: list[str]) -> str:
    """Parts each on lines of its own. Slack ends a section with a line break where a list follows."""
    return "\n".join(part.removesuffix("\n") for part in parts if part)
