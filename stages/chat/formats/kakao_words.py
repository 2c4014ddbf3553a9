"""What KakaoTalk writes in its exports in place of a person's words, in Korean, English and Japanese."""

import re

LONGEST = 300  # characters
BOTS = ("오픈채팅봇", "방장봇")  # of open chats
# By the reason of the reject, the whole text of an entry with a sender.
TEXTS = {
    "media_without_text": re.compile(
        r"<?(?:사진|동영상)(?: 읽지 않음>)?(?: ?\d+ ?(?:장|개)?)?|\(?이모티콘\)?|(?:음성|보이스) ?메시지"
        r"|카카오톡 프로필"
        r"|(?:Photo|Video)s?(?: \d+)?|\d+ (?:photo|video)s?"
        r"|\(?(?:Emoticon|Sticker)s?\)?|Voice (?:Note|Message)|写真|動画|\(?スタンプ\)?"
        r"|(?:파일|지도|연락처|투표|File|Map|Contact): .*|(?:샵검색|Search): #.*|톡게시판 '.*|[0-9a-f]{32,}\.\w{2,4}"
    ),
    "deleted": re.compile(
        r"삭제된 메시지입니다\.?|메시지가 삭제되었습니다\.?|채팅방 관리자가 메시지를 가렸습니다\.?"
        r"|This message (?:was|has been) deleted\.?|Deleted message\.?|削除されたメッセージです。?"
    ),
    "system": re.compile(
        r"(?:그룹 ?)?(?:보이스톡|페이스톡|라이브톡|그룹콜|보이스룸)(?:이|가)?"
        r" ?(?:해요|취소|종료|부재중|시작|방금|응답).*"
        r"|(?:Group )?(?:Voice|Video) Call(?: (?:started|ended|canceled|missed|no answer).*)?"
        r"|투표가 .{1,20}되었(?:어요|습니다)\.?|송금 봉투가 도착했어요\.?"
    ),
}
NAME = r"\S{1,40}(?: \S{1,40}){0,2}"  # that is told from a sentence by its few words
# A line without a time and a sender in the exports of PCs, and a row with a sender in those of macOS.
SYSTEM_LINE = re.compile(
    r".{1,100}님(?:이|을) (?:.{1,100}님을 )?(?:들어왔습니다|나갔습니다|내보냈습니다|초대(?:했|하였)습니다)\..*"
    r"|채팅방 관리자가 메시지를 가렸습니다\.|불법촬영물등 식별 및 게재제한 조치 안내"
    r"|운영정책을 위반한 메시지로 신고 접수 시 .*"
    r"|.{1,100} (?:joined|left) this chatroom\..*|.{1,100} invited .{1,100} \."
    rf"|{NAME} left\.|{NAME} invited {NAME}(?:(?:,| and) {NAME}){{0,20}}\."
)


def reason(sender: str, text: str) -> str | None:
    """The reason of the reject for an entry that KakaoTalk or a bot of it wrote; None for a person's."""
    if sender in BOTS:
        return "bot"
    if len(text) > LONGEST or "\n" in text:
        return None
    return next((reason for reason, pattern in TEXTS.items() if pattern.fullmatch(text.strip())), None)
