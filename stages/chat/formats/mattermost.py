"""Mattermost's bulk export: JSON Lines of a version, teams, channels, users, posts and direct posts.

A post has its replies in it. Senders are user names; a user's line brings the other names. A room is `team/channel`,
and of direct posts it is the members. Posts have no ids, so their places are their keys.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

from stages.chat import Message, NamePairs, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, begins_with, read_each
from stages.chat.json_entries import json_lines, seconds_of

ENDINGS = (".jsonl", ".json")
START = re.compile(r'\{\s*"type":\s*"(version|post|direct_post)",\s*"(?:\1|info)":')
POSTS = ("post", "direct_post")
# Lines on the server and its people, which hold no post.
OTHER_LINES = ("version", "scheme", "role", "emoji", "team", "channel", "user", "bot", "direct_channel")
TYPES_OF_PEOPLE = (None, "", "me")
BOT_PROPS = ("from_bot", "from_webhook", "from_plugin", "override_username")
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    names_of_users, bots = WaitingNames(), _bots(file)
    for entry in json_lines(file):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, _place, row = entry
        kind = row.get("type") if isinstance(row, dict) else None
        data = row.get(kind) if isinstance(kind, str) else None
        if kind in POSTS:
            for message in _posts(at, bots, data):
                yield names_of_users.brought_by(message)
        elif kind not in OTHER_LINES:
            yield Reject(at, "bad_field")
        elif kind == "user" and isinstance(data, dict):
            names_of_users.add(_names(data))


def _bots(file: ExportFile) -> set[str]:
    """Users whom a line on a bot names, or a post or a reply marks as one: not all of their posts are marked."""
    bots: set[str] = set()
    for entry in json_lines(file, word='bot"'):
        row = {} if isinstance(entry, Reject) or not isinstance(entry[2], dict) else entry[2]
        if isinstance(row.get("bot"), dict):
            bots.add(str(row["bot"].get("username")))
        for kind in POSTS:
            post = row.get(kind)
            replies = post.get("replies") if isinstance(post, dict) else None
            posts = [post, *(replies if isinstance(replies, list) else ())]
            marked = [post for post in posts if isinstance(post, dict) and _is_marked(post, "from_bot")]
            bots.update(str(post.get("user")) for post in marked)
    return bots


def _is_marked(post: dict[str, Any], *names: str) -> bool:
    """Whether a post has one of the properties."""
    props = post.get("props")
    values = [props.get(name, False) for name in names] if isinstance(props, dict) else []
    return any(str(value).lower() not in ("false", "none", "") for value in values)


def _names(user: dict[str, Any]) -> NamePairs:
    parts = [part for part in (user.get("first_name"), user.get("last_name")) if isinstance(part, str) and part]
    return name_pairs(user.get("username"), user.get("nickname"), " ".join(parts))


def _posts(at: str, bots: Collection[str], post: Any) -> Iterator[Message | Reject]:
    """A post and its replies."""
    yield parse_entry(at, partial(_message, bots, post, None), post)
    replies = post.get("replies") if isinstance(post, dict) else None
    for number, reply in enumerate(replies if isinstance(replies, list) else (), start=1):
        yield parse_entry(f"{at}, reply {number}", partial(_message, bots, post, at), reply)


def _message(
    bots: Collection[str], root: dict[str, Any], root_key: str | None, at: str, post: dict[str, Any]
) -> Message | Reject:
    """A message of a post, in the room of the thread's first one."""
    props = post.get("props") or {}
    if _is_marked(post, *BOT_PROPS) or post["user"] in bots or post.get("type") == "slack_attachment":
        return Reject(at, "bot")
    if post.get("type") not in TYPES_OF_PEOPLE:
        return Reject(at, "system")
    if not post["message"] and (post.get("attachments") or props.get("attachments")):
        return Reject(at, "media_without_text")
    if "channel_members" in root:
        group = ", ".join(sorted(set(root["channel_members"])))
    else:
        group = f"{root['team']}/{root['channel']}"
    return Message(at, group, post["user"], post["message"], seconds_of(post["create_at"]), key=at, reply_to=root_key)
