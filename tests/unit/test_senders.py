"""Senders that are no people: bots are left out, and what a bridge relays is said by whom it names."""

from collections.abc import Iterable

import pytest

from stages.chat import Message, Reject
from stages.chat.mentions import Names
from stages.chat.senders import SenderWatch, people

BRIDGE = "bridgebot"


def message(sender: str, text: str, names: tuple[tuple[str, str], ...] = ()) -> Message:
    return Message("log, line 1", "lab", sender, text, 1_700_000_000, names=names)


def relayed(*texts: str) -> tuple[str, str] | str:
    """Sender and text of the last of a bridge's messages, or the reason why it is none of a person."""
    *_, entry = people([message(BRIDGE, text) for text in texts], [], [BRIDGE])
    return entry.reason if isinstance(entry, Reject) else (entry.sender, entry.text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ines> does it run?", ("ines", "does it run?")),
        ("<@ines> tomas: it does", ("ines", "tomas: it does")),
        ("<ines vale> hi\nthere", ("ines vale", "hi\nthere")),
        ("[ines] does it run?", ("ines", "does it run?")),
        ("[telegram] <ines> does it run?", ("ines", "does it run?")),
        ("[matrix] ines: does it run?", ("ines", "does it run?")),
        ("(ines) does it run?", ("ines", "does it run?")),
        ("**ines**: does it run?", ("ines", "does it run?")),
        ("**<ines>** does it run?", ("ines", "does it run?")),
        ("ines: does it run?", ("ines", "does it run?")),
        ("[tomas] ines: it does", ("tomas", "ines: it does")),
        ("[tomas] <ines> quoted", ("tomas", "<ines> quoted")),
        ("(tomas) ines: it does", ("tomas", "ines: it does")),
        ("(Telegram) ines: hi", ("ines", "hi")),
        ("[D] ines: hi", ("ines", "hi")),
        ("[TG] [ines] hi", ("ines", "hi")),
        ("[#lab] <ines> hi", ("ines", "hi")),
        ("[telegram] ines roe: hi", ("ines roe", "hi")),
        ("[telegram] hello", "bridge"),
        ("<i\u200bn\u2060es> hi", ("ines", "hi")),
        ("<\u200e@i\u00adnes\ufeff> 👩\u200d🚀", ("ines", "👩\u200d🚀")),
        ("<\u200b> hi", "bridge"),
        ("<ines>does it run?", ("ines", "does it run?")),
        ("Ines Roe: hi", ("Ines Roe", "hi")),
        ("Ines de Roe: hi", ("Ines de Roe", "hi")),
        ("I say this: hi", "bridge"),
        ("ines says: hi", ("ines", "hi")),
        ("*ines* x", ("ines", "x")),
        ("{ines} hi", ("ines", "hi")),
        ("`ines` hi", ("ines", "hi")),
        ("*** kai has joined the chat", "bridge"),
        ("see https://example.org", "bridge"),
        ("<ines>  ", "bridge"),
        ("ines has joined the room", "bridge"),
        ("https://example.org/a", "bridge"),
        ("", "bridge"),
    ],
)
def test_what_a_bridge_relays(text: str, expected: tuple[str, str] | str) -> None:
    assert relayed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ines waves", ("ines", "waves")),
        ("i\u200bnes waves", ("ines", "waves")),
        ("* ines waves", ("ines", "waves")),
        ("ines has joined the room", "bridge"),
        ("ines left", "bridge"),
        ("ines is now known as inez", "bridge"),
        ("tomas waves", "bridge"),
    ],
)
def test_the_actions_that_a_bridge_relays_are_of_names_that_it_has_relayed(
    text: str, expected: tuple[str, str] | str
) -> None:
    assert relayed("<ines> hi", text) == expected
    assert relayed(text) == "bridge"


def test_mentions_of_a_name_that_a_bridge_broke_up_are_hidden() -> None:
    (entry,) = people([message(BRIDGE, "<i\u200bnes_r> hi")], [], [BRIDGE])
    assert isinstance(entry, Message)
    names = Names(lambda sender: f"({sender})")
    names.learn(entry.sender, entry.names, entry.text)
    for text in ("ines_r: yes", "i\u200bnes_r: yes"):
        assert names.hide(text) == ("(ines_r): yes", 1)


def test_senders_are_named_as_the_export_shows_them() -> None:
    """By id, or by a name that stands beside the id from some message on."""
    entries: list[Message | Reject] = [
        message("17", "hello", names=(("17", "Carl-bot"),)),
        message("18", "hi Carl-bot", names=(("17", "Carl-bot"), ("18", "Ines"))),
        message("17", "hello again"),
        message("ubottu", "an answer"),
        message("19", "<tomas> hi", names=(("19", "Bridge"),)),
        Reject("log, line 9", "system"),
    ]
    result = list(people(entries, ["Carl-bot", "ubottu"], ["Bridge"]))
    assert [entry.reason if isinstance(entry, Reject) else entry.sender for entry in result] == [
        *("left_out", "18", "left_out", "left_out", "tomas", "system")
    ]


def proposals(messages: Iterable[Message]) -> list[str]:
    watch = SenderWatch()
    assert list(watch.watched(messages)) == list(messages)
    return [
        proposal.split(":")[0] + " -> " + proposal.split("ingest.")[1].split()[0] for proposal in watch.proposals()
    ]


def test_proposals() -> None:
    talk = [
        message(sender, f"{word} is what I think of it") for word in map(str, range(100)) for sender in ("ann", "bob")
    ]
    words = [start + end for start in ("b", "d", "f", "h", "l") for end in ("oat", "ark", "ish", "ump")]
    people_talk = [
        message(sender, f"{word}, {other}?") for word in words for other in words for sender in ("ann", "bob")
    ]
    relay = [message("relay", f"<{name}> {word}") for word in words for name in ("ines", "tomas")]
    feed = [message("feed", f"New commit {number} in repository lab: {word}") for number, word in enumerate(words)]
    bot = [message("ubottu", f"{word} is a thing", names=()) for word in words] + [
        message("infobot", w) for w in words
    ]
    assert proposals([*people_talk, *relay, *feed, *bot]) == [
        *("relay -> bridges", "feed -> leave_out", "infobot -> leave_out")
    ]
    assert proposals(people_talk) == []
    assert proposals(relay[:2]) == ["relay -> bridges"]  # its name says it
    assert proposals([each._replace(sender="kai") for each in relay[:10]]) == []
    bare = [message("kai", f"{name}: {word}") for word in words for name in ("ines", "tomas")]
    assert proposals(bare) == []  # so people address others
    assert proposals([each._replace(sender="tg-relay") for each in bare]) == ["tg-relay -> bridges"]
    assert proposals([each._replace(text=f"[telegram] {each.text}") for each in bare]) == ["kai -> bridges"]
    assert proposals([each for each in bare if each.text.startswith("ines")]) == []
    assert len(proposals(talk)) == 2  # whoever writes nearly the same each time is worth a look
