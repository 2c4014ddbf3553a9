"""What Meta writes in a thread as if a person had: `Ines sent an attachment.`, `Liked a message`.

Exports name the kind of such an entry only in part, and write it in the language of the account.
"""

import re

LONGEST = 300  # characters
# By the reason of the reject, what follows the sender's name or `You`.
DEEDS = {
    "media_without_text": re.compile(
        r"(?:sent (?:an attachment|a (?:photo|video|voice message|sticker|GIF|link|(?:live )?location))"
        r"|shared a (?:story|post|reel|(?:live )?location))\."
    ),
    "reaction": re.compile(r"reacted \S+ to .{1,100}|liked a message\.?"),
    "deleted": re.compile(r"unsent a message\.?"),
    "system": re.compile(
        r"(?:missed (?:a|an|the|your) (?:audio |video |group )?(?:call|chat)|named the group"
        r"|(?:set|cleared) (?:the|your|own|his|her|their) (?:own )?(?:nickname|emoji|quick reaction)"
        r"|changed the (?:group photo|group name|chat theme|theme|chat colou?rs)|removed the group photo"
        r"|(?:un)?pinned a message|added .{1,200} to the (?:group|call)|invited .{1,200} to the group"
        r"|removed .{1,200} (?:from the group|as an admin)|made .{1,200} an admin"
        r"|created (?:a|the) (?:poll|group|plan)|joined the (?:audio |video |group )?(?:call|chat)"
        r"|joined the group with|waved at"
        r"|turned (?:on|off) disappearing messages|started sharing (?:a )?live location"
        r"|changed vote to .{1,200} in the poll|called (?![a-z])[^.]{1,100}"
        r"|started (?:a|the) (?:audio |video )(?:call|chat))"
        r"(?:[ .:].*)?"
    ),
}
# What may follow the sender's name alone: after `You` it could be a person's words.
DEEDS_OF_NAMED = re.compile(
    r"(?:called|is now an admin|left the (?:group|call|video chat)|voted for|turned (?:on|off)|can now|ended the"
    r"|updated the|started sharing|changed (?:the|their|his|her) vote|wasn't notified)\b.*"
)
WHOLE = {
    "reaction": re.compile(
        r"Liked a message|Reacted \S+ to (?:your|a) message|Bir mesajı beğendi|Le gustó un mensaje|A aimé un message"
        r"|Curtiu uma mensagem|Hat mit \S+ auf deine Nachricht reagiert|Hat eine Nachricht mit .Gefällt mir. markiert"
        r"|Reaccionó con \S+ a tu mensaje|A réagi (?:avec )?\S+ à votre message|Reagiu com \S+ à sua mensagem"
    ),
    "media_without_text": re.compile(
        r".{0,60}\b(?:ha(?:t|st) einen Anhang gesendet|(?:a|avez) envoyé une pièce jointe"
        r"|[Ee]nviaste un archivo adjunto"
        r"|(?:envió|ha enviado) un archivo adjunto|(?:[Ee]nviou|enviaste) um anexo|hai? inviato un allegato"
        r"|(?:heeft|hebt) een bijlage (?:verzonden|gestuurd)|wysła\S{1,5} załącznik|отправи\S{1,6} вложение)\."
    ),
    "deleted": re.compile(r"This message is no longer available because it was unsent by the sender\.?"),
    "system": re.compile(
        r"(?:The )?(?:[Vv]ideo chat|[Aa]udio call|[Vv]ideo call|[Cc]all) (?:started|ended)\.?"
        r"|This poll is no longer available\.?|Say hi to your new Facebook friend, .{1,100}"
        r"|You are now connected on Messenger\.?|You can now message and call each other .*"
        r"|(?:.{1,100} mentioned|Mentioned) you in (?:a|their|his|her) story\.?"
        r"|(?:.{1,100} replied|Replied) to (?:your|their|his|her) story\.?"
        r"|Messages and calls are secured with end-to-end encryption\..*"
    ),
}


def reason(sender: str, text: str) -> str | None:
    """The reason of the reject for a text that Meta wrote; None for a person's."""
    if len(text) > LONGEST or "\n" in text:
        return None
    text = text.strip()
    for who in (sender, sender.split(" ")[0], "You"):
        if who and text.startswith(f"{who} "):
            deed = text[len(who) + 1 :]
            if who != "You" and DEEDS_OF_NAMED.fullmatch(deed):
                return "system"
            if reason := _matching(DEEDS, deed):
                return reason
    return _matching(WHOLE, text)


def _matching(patterns: dict[str, re.Pattern[str]], text: str) -> str | None:
    return next((reason for reason, pattern in patterns.items() if pattern.fullmatch(text)), None)
