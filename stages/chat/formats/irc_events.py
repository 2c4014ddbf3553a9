"""What servers and clients write into IRC logs: joins, modes, topics, notices.

Most have a mark of their own. mIRC and HexChat write them as `* nick has joined`, like the actions of people.
"""

import re

ADDRESS = r"[(\[][^\s()\[\]]+@[^\s()\[\]]+[)\]]"  # of a user, as joins have it
# After a time: the mark of an event, a notice (-nick- text), a server's message (!server text), a bouncer's
# (<*status> text), or a user's address.
EVENT = re.compile(
    r"[ \t]*(?:-!-|=!=|>>>|={3}\s|\*{1,3}[\s|]|-{1,2}>|<-{1,3}[\s|]|-{2,3}[\s|]|[→←⇐⇒↔]|-[^\s-]\S*-(?:\s|$)|!\S+\s"
    r"|<\*)"
    rf"|\s*(?:Joins: |Parts: |Quits: )?\S+ {ADDRESS}"
)
EVENT_WITHOUT_TIME = re.compile(
    rf"(?:={{3}}|\*{{2,3}}|-!-|-->|<--|[→←⇐]) .*(?:{ADDRESS}|\bhas (?:joined|left|quit)\b|\bis now known as )"
)
# What mIRC, HexChat and IRCCloud say with no subject, and what they say of somebody.
IMPERSONAL = (
    r"(?:Now talking (?:in|on)|Topic (?:is|for|set)|Set by|Users on|Socket closed)\b"
    r"|Channel (?:(?:mode|topic|url|created)\b|[#&+!])"
    r"|(?:Disconnected|Connected|Connecting|Reconnecting|Attempting to rejoin|Rejoined channel|Retrieving [#&+!])"
    r"|(?:Cannot join|Looking up|Received a (?:CTCP|DCC)|DCC (?:CHAT|SEND|RECV)|Ping reply from|Notify:|Banlist)\b"
    r"|You (?:are now|have been|have left|have joined|were kicked)\b|You(?:'re (?:not|now|inviting)|'ve invited)\b"
    r"|Stopped previous connection attempt|Connection failed|Unknown (?:command|host)\. |No such DCC\b"
    r"|No (?:active DCCs|ping reply for|process is currently running)\b|A process is already running"
    r"|There is no such nick|Nickname (?:already in use|\S+ is erroneous)|(?:Ignore|Notify) list is empty"
    r"|Ignore on \S+ changed|Capabilities (?:supported|requested|acknowledged|removed)\b|Loaded log from "
    r"|Netsplit \S+ <-> |[#&]\S* "  # no nick begins with the sign of a channel
    r"|\[\S+\] (?:\(\S+@\S+\): |[@+%&~]*[#&]|\S+\.\S+ :|idle \d|real \S+@|End of WHOIS list"  # what WHOIS tells
    r"|is (?:logged in as|away \(|using a secure|a registered|connecting from|an IRC)|has identified)"
)
PREDICATES = (
    rf"{ADDRESS}(?: |$)|has joined(?: [#&+!]\S*)?$|has left(?: [#&+!]| the channel| \(|$)"
    r"|has quit(?: IRC)?(?: ?\(|$)|is now known as \S+$|set [+-][A-Za-z]"
    r"|(?:sets|set|has set) (?:channel )?modes?:? ?[\[+-]"
    r"|(?:gives|removes) (?:channel (?:half-)?operator status|voice) (?:to|from) "
    r"|(?:sets|removes) (?:ban|exempt|quiet|invite(?: exempt)?) on |(?:sets|removes) channel (?:keyword|limit)\b"
    r"|removes user limit$|(?:changes|changed|has changed|sets|set) (?:the )?(?:channel )?topic(?: to\b|:)"
    r"|was kicked (?:from \S+ )?by |has kicked \S+ from |has been kicked |(?:is )?already in use\. Retrying with "
    r"|(?:added to|deleted from|removed from) (?:notify|ignore) list|:No such nick"
    r"|has invited you to [#&+!]|invited \S+ into the channel$"
)
STARRED_EVENT = re.compile(rf"{IMPERSONAL}|\S+ (?:{PREDICATES})")


def is_event(starred: str) -> bool:
    """Whether what follows a star was written by mIRC, HexChat or IRCCloud, and no action of a person."""
    return STARRED_EVENT.match(starred) is not None
