"""Senders that are no people: bots, which are left out, and bridges, which relay what people write elsewhere."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from stages.chat import Message, Reject

NETWORKS = (
    r"(?i:telegram|tg|discord|dc|irc|matrix|slack|signal|xmpp|jabber|mattermost|whatsapp|wa|gitter|rocket\.?chat|zulip"
    r"|teams|steam|twitch|mumble|minecraft|[a-z])"
)
NETWORK = rf"(?:\[(?:{NETWORKS}|#[^\[\]\s]*)\]|\({NETWORKS}\))"  # `[telegram]`, `(T)`, `[#lab]`
# `<ines> text` and the like. Before a name the network may stand, which is no name: `[telegram] ines: text`.
RELAYED = re.compile(
    rf"\s*(?P<network>{NETWORK}\s*)?(?!{NETWORK})"
    r"(?:<(?P<angle>[^<>\n]{1,60})>:?\s*"
    r"|(?:\[(?P<square>[^\[\]\n]{1,60})\]|\((?P<round>[^()\n]{1,60})\)|\{(?P<curly>[^{}\n]{1,60})\}"
    r"|`(?P<tick>[^`\n]{1,60})`):?\s+"
    r"|(?P<stars>\*\*?)<?(?P<bold>[^\s*<>][^*<>\n]{0,59}?)>?:?(?P=stars):?\s+"
    r"|(?P<bare>[^\s:<>\[\](){}/]{1,40}(?: [^\s:<>\[\](){}/]{1,40}){0,3}?)(?: says)?:\s+)(?P<text>.*)",
    re.DOTALL,
)
NAMES = ("angle", "square", "round", "curly", "tick", "bold", "bare")
# A bridge's action (`* bridgebot ines waves`) has no sign of its own, nor has its news of people who come and go.
RELAYED_ACTION = re.compile(r"(?:\*\s+)?(?P<name>\S{1,40}) (?P<text>\w.*)", re.DOTALL)
COMING_AND_GOING = re.compile(
    r"(?:(?:has |was )?(?:joined|left|quit|parted|kicked|banned|disconnected|connected|logged (?:in|out))\b"
    r"|is now (?:known as|online|offline)\b|(?:has )?changed (?:(?:his|her|their|the) )?(?:name|nick|topic))"
)
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
WATCHED = 50_000  # messages that proposals are made of
MIN_MESSAGES = 20  # of a sender that is proposed, unless its name says what it is
RELAYED_SHARE = 0.9
ALIKE_SHARE = 0.5
ALIKE_CHARACTERS = 12  # at the start of texts that are alike
BRIDGE_NAME = re.compile(r"bridge|relay", re.IGNORECASE)
BOT_NAME = re.compile(r"bot\d*$|^bot|serv$|webhook|^github$|^jenkins$", re.IGNORECASE)


def people(
    entries: Iterable[Message | Reject], leave_out: Collection[str], bridges: Collection[str]
) -> Iterator[Message | Reject]:
    """Entries whose senders are people. Both collections have names as the export shows them, or its ids of senders.

    A message of a sender to leave out is a reject. A bridge's message has the sender that it names, without the name
    in its text; one that names none is a reject.
    """
    ids_left_out, ids_of_bridges = set(leave_out), set(bridges)
    relayed_names: set[str] = set()
    for entry in entries:
        if isinstance(entry, Message):
            own_names = [name for person, name in entry.names if person == entry.sender]
            if not ids_left_out.isdisjoint(own_names):
                ids_left_out.add(entry.sender)
            if not ids_of_bridges.isdisjoint(own_names):
                ids_of_bridges.add(entry.sender)
            if entry.sender in ids_left_out:
                entry = Reject(entry.at, "left_out")
            elif entry.sender in ids_of_bridges:
                entry = _relayed(entry, relayed_names)
        yield entry


def without_invisible(name: str) -> str:
    """A name without characters of no width, which bridges put into names so that nobody is notified."""
    return INVISIBLE.sub("", name)


def _relayed(message: Message, names: set[str]) -> Message | Reject:
    """A bridge's message as one of the person whom it names. A reply that the bridge can't show stays its reply.

    `names` are those that the bridges named so far, and get the one of this message.
    """
    match = _relay(message.text)
    if match:
        name = next(match[form] for form in NAMES if match[form])
        name = without_invisible(name).strip(" \u00a0@+~&%")
        names.add(name)
    else:
        match = RELAYED_ACTION.fullmatch(message.text)
        name = without_invisible(match["name"]) if match else ""
        if not match or name not in names or COMING_AND_GOING.match(match["text"]):
            return Reject(message.at, "bridge")
    if not name or not match["text"].strip():
        return Reject(message.at, "bridge")
    return message._replace(sender=name, text=match["text"], names=())


def _relay(text: str) -> re.Match[str] | None:
    """How a text names its sender; None if it doesn't.

    Words before a colon are a name if a network stands before them, or the first and the last begin in upper case.
    """
    match = RELAYED.fullmatch(text)
    if match and match["bare"] and not match["network"]:
        words = match["bare"].split(" ")
        if len(words) > 1 and (words[0][0].islower() or words[-1][0].islower()):
            return None
    return match


class SenderWatch:
    """Looks for senders that may be no people, in the first WATCHED messages of an export."""

    def __init__(self) -> None:
        self.count = 0
        self.messages: Counter[str] = Counter()  # by sender
        self.relaying: Counter[str] = Counter()
        self.addressing: Counter[str] = Counter()  # with `ann: text`, which is also what people write to ann
        self.beginnings: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.relayed_names: defaultdict[str, set[str]] = defaultdict(set)
        self.names: dict[str, str] = {}  # shown to the user

    def watched(self, entries: Iterable[Message | Reject]) -> Iterator[Message | Reject]:
        """The entries, each looked at on its way."""
        for entry in entries:
            if isinstance(entry, Message) and self.count < WATCHED:
                self.count += 1
                self._add(entry)
            yield entry

    def _add(self, message: Message) -> None:
        sender = message.sender
        self.messages[sender] += 1
        for person, name in message.names:
            if person == sender:
                self.names[sender] = name
        if message.text.startswith(("<", "[", "(", "{", "*", "`")) or ":" in message.text[:40]:
            match = _relay(message.text)
            if match:
                is_address = match["bare"] and not match["network"]
                (self.addressing if is_address else self.relaying)[sender] += 1
                self.relayed_names[sender].add(match[0][: match.start("text")])
        beginning = re.sub(r"\d+", "0", message.text[: 2 * ALIKE_CHARACTERS])[:ALIKE_CHARACTERS]
        if len(beginning) == ALIKE_CHARACTERS:
            self.beginnings[sender][beginning] += 1

    def proposals(self) -> Iterator[str]:
        """A line for each sender that looks like a bridge or a bot."""
        for sender, count in self.messages.most_common():
            name = self.names.get(sender, sender)
            is_often = count >= MIN_MESSAGES
            relaying = self.relaying[sender]
            if BRIDGE_NAME.search(name):
                relaying += self.addressing[sender]
            relays = relaying >= RELAYED_SHARE * count and len(self.relayed_names[sender]) > 1
            alike = max(self.beginnings[sender].values(), default=0) / count
            if relays and (is_often or BRIDGE_NAME.search(name)):
                yield (
                    f"{name}: {relaying} of {count} messages begin with a name, as in <ann> text. If it"
                    " is a bridge, add it to ingest.bridges in params.yaml"
                )
            elif is_often and (alike >= ALIKE_SHARE or BOT_NAME.search(name)):
                yield (
                    f"{name}: {count} messages, {alike:.0%} of them begin alike. If it is no person, add it to"
                    " ingest.leave_out in params.yaml"
                )
