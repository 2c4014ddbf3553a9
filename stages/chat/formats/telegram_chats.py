"""The chats of a Telegram export, and the topics that a forum has as rooms."""

from typing import Any

OLD_USER_IDS = 2**32  # exports of 2020 and before add it to the ids of people
CHANNEL = "channel"  # begins the ids of channels
SERVICE_ACCOUNT = "777000"  # writes Telegram's own notices


class Chat:
    """A chat whose messages are read one after the other, with the senders in it that are `bots`.

    A message names no topic, but the message that it answers, and the first of a topic answers the topic's creation.
    `topics` are therefore kept by the ids of their messages: about 100 bytes for each message in a topic, and nothing
    for other messages.
    """

    def __init__(self, id: str, kind: str) -> None:
        self.id = id
        self.kind = kind
        self.bots = _user_ids(SERVICE_ACCOUNT) | (_user_ids(id) if kind == "bot_chat" else frozenset())
        self.topics: dict[int, int] = {}

    def topic_of(self, raw: dict[str, Any]) -> int | None:
        """The id of an entry's topic; None outside topics, and where the answered message is not in the export."""
        id: int = raw["id"]
        if raw.get("action") == "topic_created":
            self.topics[id] = id
        elif self.topics and "reply_to_peer_id" not in raw:
            answered: int = raw.get("reply_to_message_id", raw.get("message_id", id))  # `message_id` of a pin
            if answered in self.topics:
                self.topics[id] = self.topics[answered]
        return self.topics.get(id)

    @property
    def channel_id(self) -> str | None:
        """The sender of posts without one."""
        return f"{CHANNEL}{self.id}" if self.kind.endswith("_channel") else None


def _user_ids(id: str) -> frozenset[str]:
    old_ids = (str(OLD_USER_IDS + int(id)),) if id.isdecimal() else ()
    return frozenset((f"user{id}", *old_ids))
