"""Exports of messengers as text for people to read: those of KakaoTalk and LINE, in several languages."""

from pathlib import Path

import click
import pytest

from tests.chat_exports import formats_of
from tests.small_exports import AT, MS, read, said, written

KAKAO = {
    "android": (
        "Lab 3 님과 카카오톡 대화\n저장한 날짜 : 2024년 5월 1일 오후 3:04\n\n\n2024년 5월 1일 오전 12:04\n"
        "2024년 5월 1일 오전 12:04, Ines : 되나요? 시간 : 3시\n어떻게?\n\n진짜로\n"
        "2024년 5월 1일 오후 12:05, Tomas님이 들어왔습니다.\n2024년 5월 1일 오후 12:05, Tomas : 사진\n"
        "2024년 5월 1일 오후 3:06, Tomas : 삭제된 메시지입니다.\n2024년 5월 1일 오후 3:07, 오픈채팅봇 : 안녕\n"
        "2024년 5월 1일 오후 3:07, Tomas : 보이스톡 해요\n2024년 5월 1일 오후 3:08, Tomas : 사진 봐요\n",
        "Lab 3",
        [("Ines", "되나요? 시간 : 3시\n어떻게?\n\n진짜로", 240), ("Tomas", "사진 봐요", 15 * 3600 + 480)],
        {"system": 2, "media_without_text": 1, "deleted": 1, "bot": 1},
    ),
    "android_24_hours": (
        "Lab 님과 카카오톡 대화\n저장한 날짜 : 2024년 5월 1일 15:04\n\n2024년 5월 1일 15:04, Ines : 되나요?\n",
        "Lab",
        [("Ines", "되나요?", 15 * 3600 + 240)],
        {},
    ),
    "android_en": (
        "KakaoTalk Chats with Lab\nDate Saved : May 1, 2024, 3:04 PM\n\nMay 1, 2024, 3:04 PM\n"
        "May 1, 2024, 12:04 PM, Ines : does it run?\nMay 1, 2024, 3:05 PM, Tomas : Photo\n"
        "May 1, 2024 at 3:05\u202fPM, Tomas : yes\n1 May 2024 at 3:06 p.m., Ines : good\n",
        "Lab",
        [
            ("Ines", "does it run?", 12 * 3600 + 240),
            ("Tomas", "yes", 15 * 3600 + 300),
            ("Ines", "good", 15 * 3600 + 360),
        ],
        {"media_without_text": 1},
    ),
    "ios": (
        "Talk_2024.5.1 15:04-1.txt\n저장한 날짜 : 2024. 5. 1. 오후 3:04\n\n\n2024년 5월 1일 수요일\n"
        "2024. 5. 1. 오후 3:04, Ines : 되나요?\n2024. 5. 1. 오후 3:05: Tomas님이 나갔습니다.\n"
        "2024. 5. 1. 오후 3:06, Tomas : (이모티콘)\n\n2024년 5월 2일 목요일\n2024. 5. 2. 오전 9:00, Tomas : 네\n",
        "chat",
        [("Ines", "되나요?", 15 * 3600 + 240), ("Tomas", "네", 33 * 3600)],
        {"system": 1, "media_without_text": 1},
    ),
    "ios_en": (
        "Talk_2024.5.1 15:04-1.txt\nDate Saved : May 1, 2024 at 15:04\n\n\nWednesday, May 1, 2024\n"
        "May 1, 2024 at 15:04: Ines invited Tomas .\nMay 1, 2024 at 15:04, Ines : Day 1 : run\nand on\n",
        "chat",
        [("Ines", "Day 1 : run\nand on", 15 * 3600 + 240)],
        {"system": 1},
    ),
    "ios_with_days_above": (
        "Lab 카카오톡 대화\n저장한 날짜 : 2024년 5월 1일 오후 3:04\n\n\n2024년 5월 1일 수요일\n오전 12:05,  : 누구\n"
        "오후 3:04, Ines : 되나요?\n오후 3:05, Tomas님이 나갔습니다.\n\n2024년 5월 2일 목요일\n"
        "오전 12:00, Tomas : 네\n",
        "Lab",
        [("Ines", "되나요?", 15 * 3600 + 240), ("Tomas", "네", 24 * 3600)],
        {"system": 1, "missing_field": 1},
    ),
    "pc": (
        "Lab 님과 카카오톡 대화\n저장한 날짜 : 2024-05-01 15:04:00\n\n"
        "--------------- 2024년 5월 1일 수요일 ---------------\nInes님이 Tomas님을 초대하였습니다.\n"
        "[Ines [lab]] [오후 3:04] 되나요?\n어떻게?\n[Tomas] [오후 3:05] 이모티콘\nTomas님이 나갔습니다.\n"
        "[Tomas] [오후 3:05] 파일: a.pdf\n--------------- 2024년 5월 2일 목요일 ---------------\n"
        "[Tomas] [오전 9:00] 네\n",
        "Lab",
        [("Ines [lab]", "되나요?\n어떻게?", 15 * 3600 + 240), ("Tomas", "네", 33 * 3600)],
        {"system": 2, "media_without_text": 2},
    ),
    "pc_en": (
        "Lab with KakaoTalk Chats\nDate Saved : 2024-05-01 15:04:00\n\n"
        "--------------- Wednesday, May 1, 2024 ---------------\n[Ines] [3:04 PM] does it run?\n"
        "[Tomas] [12:05 AM] yes\n",
        "Lab",
        [("Ines", "does it run?", 15 * 3600 + 240), ("Tomas", "yes", 300)],
        {},
    ),
    "japanese": (
        "2024年5月1日 午後3:04, Ines : 動きますか\n2024年5月1日 午前9:00, Tomas : 写真\n",
        "chat",
        [("Ines", "動きますか", 15 * 3600 + 240)],
        {"media_without_text": 1},
    ),
    "mac": (
        'Date,User,Message\n2024-05-01 15:04:05,"Ines","does it ""run""?\nand how?"\n'
        '2024-05-01 15:05:00,"Tomas","사진"\n'
        '2024-05-01 15:05:30,"Tomas","Tomas님이 나갔습니다."\n2024-05-01 15:06:00,"Tomas","yes"\n',
        "chat",
        [("Ines", 'does it "run"?\nand how?', 15 * 3600 + 245), ("Tomas", "yes", 15 * 3600 + 360)],
        {"media_without_text": 1, "system": 1},
    ),
}


KAKAO["words_of_the_app"] = (
    "Lab with KakaoTalk Chats\nSaved on : May 1, 2024 at 15:04\n\nMay 1, 2024, 3:04 PM\n"
    + "".join(
        f"May 1, 2024, 3:04 PM, Ines : {text}\n"
        for text in (
            "송금 봉투가 도착했어요.",
            "투표: 점심",
            "투표가 종료되었어요.",
            "3 photos",
            "Voice Call",
            "3 photos of it",
        )
    ),
    "Lab",
    [("Ines", "3 photos of it", 15 * 3600 + 240)],
    {"system": 3, "media_without_text": 2},
)
KAKAO["pc_notices"] = (
    "Lab with KakaoTalk Chats\nDate Saved : 2024-05-01 15:04:00\n\n"
    "--------------- Wednesday, May 1, 2024 ---------------\n[Ines] [3:04 PM] does it run?\nand then they all left.\n"
    "불법촬영물등 식별 및 게재제한 조치 안내\n그룹 오픈채팅방에서 동영상ㆍ압축파일 전송 시 제한됩니다.\n"
    "운영정책을 위반한 메시지로 신고 접수 시 카카오톡 이용에 제한이 있을 수 있습니다. \nkai left.\n"
    "Ines invited Tomas and kai.\n[Tomas] [3:05 PM] yes\n",
    "Lab",
    [("Ines", "does it run?\nand then they all left.", 15 * 3600 + 240), ("Tomas", "yes", 15 * 3600 + 300)],
    {"system": 4},
)


@pytest.mark.parametrize("text", ["[2016-11-15] [13:18] <ines> hi\n", "[#lab] [13:18] <ines> hi\n"])
def test_irc_is_not_kakao(tmp_path: Path, text: str) -> None:
    assert "kakao" not in formats_of(written(tmp_path, "2016-11-15.log", text))


@pytest.mark.parametrize("name", KAKAO)
def test_kakao(tmp_path: Path, name: str) -> None:
    text, group, messages, rejects = KAKAO[name]
    path = written(tmp_path, "chat.csv" if name == "mac" else "chat.txt", text)
    found, found_rejects = read("kakao", path)
    midnight = 1714521600  # 2024-05-01
    assert [(message.sender, message.text, message.timestamp - midnight) for message in found] == messages
    assert {message.group for message in found} == {group}
    assert found_rejects == rejects


def test_kakao_of_korea(tmp_path: Path) -> None:
    path = written(
        tmp_path, "chat.txt", "2024년 5월 1일 오전 9:00, Ines : 되나요?\n2024년 13월 1일 오전 9:00, Ines : 네\n"
    )
    messages, rejects = read("kakao", path, "Asia/Seoul")
    assert [message.timestamp for message in messages] == [1714521600]
    assert rejects == {"bad_time": 1}


LINE = {
    "en": (
        "[LINE] Chat history with Lab\nSaved on: 2024/05/01 15:04\n\n2024/05/01(Wed)\n15:04\tInes\tdoes it run?\n"
        '15:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[Photo]\n15:06\tTomas\t[Sticker]\n'
        "15:07\tTomas\t☎ Call time 0:31\n15:07\tTomas unsent a message.\n15:08\tAnn joined the group.\n\n"
        "2024/05/02(Thu)\n00:01\tInes\tgood\n",
        "Lab",
    ),
    "ja": (
        "[LINE] Labのトーク履歴\n保存日時：2024/05/01 15:04\n\n2024/05/01(水)\n午後03:04\tInes\tdoes it run?\n"
        '午後3:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[写真]\n15:06\tTomas\t[スタンプ]\n'
        "15:07\tTomas\t☎ 通話時間 0:31\n15:07\tTomasがメッセージの送信を取り消しました\n"
        "15:08\t\tAnnがグループに参加しました。\n\n"
        "2024/05/02(木)\n00:01\tInes\tgood\n",
        "Lab",
    ),
    "zh": (
        "[LINE] 與Lab的聊天記錄\n儲存日期：2024/05/01 15:04\n\n2024/05/01（三）\n下午03:04\tInes\tdoes it run?\n"
        '下午03:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[照片]\n15:06\tTomas\t[貼圖]\n'
        "15:07\tTomas\t☎ 通話時間 0:31\n15:07\tTomas已收回訊息\n15:08\t\tAnn已加入群組\n\n2024/05/02（四）\n"
        "上午12:01\tInes\tgood\n",
        "Lab",
    ),
    "en_us": (
        "Chat history with Lab\nSaved on: 5/1/2024, 15:04\n\nWed, 5/1/2024\n03:04PM\tInes\tdoes it run?\n"
        '03:05PM\tTomas\t"yes\n2024/05/02 or so, ""really"""\n03:06PM\tTomas\tPhotos\n03:06PM\tTomas\tStickers\n'
        "03:07PM\tTomas\t☎ Missed call\n03:07PM\tTomas unsent a message.\n03:08PM\tAnn joined\n\nThu, 5/2/2024\n"
        "12:01AM\tInes\tgood\n",
        "Lab",
    ),
    "th": (
        "[LINE] ประวัติการแชทกับ Lab\nบันทึกวันที่: 2024/05/01 15:04\n\n2024/05/01(พ.)\n15:04\tInes\tdoes it run?\n"
        '15:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[สติกเกอร์]\n15:06\tTomas\tรูป\n'
        "15:07\tTomas\t☎ 0:31\n15:07\tTomas unsent a message.\n15:08\t\tAnn joined\n\nพฤ. 02/05/2024\n"
        "00:01\tInes\tgood\n",
        "Lab",
    ),
    "ko": (
        "[LINE] Lab 채팅기록\n저장일시: 2024/05/01 15:04\n\n2024. 5. 1. 수요일\n오후 3:04\tInes\tdoes it run?\n"
        '오후 3:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[스티커]\n15:06\tTomas\t[투표]점심\n'
        "15:07\tTomas\t☎ 0:31\n15:07\tTomas unsent a message.\n15:08\t\tAnn joined\n\nThu, May 2, 2024\n"
        "오전 12:01\tInes\tgood\n",
        "Lab",
    ),
    "en_gb": (
        "2024.05.01 Wednesday\n15:04\tInes\tdoes it run?\n"
        '15:05\tTomas\t"yes\n2024/05/02 or so, ""really"""\n15:06\tTomas\t[Video]\n15:06\tTomas\t[File] a.pdf\n'
        "15:07\tTomas\t☎ Call time 0:31\n15:07\tMessage unsent.\n15:08\tAnn joined the group.\n\nThu, 2/5/2024\n"
        "0:01\tInes\tgood\n",
        "chat",
    ),
}


@pytest.mark.parametrize("name", LINE)
def test_line(tmp_path: Path, name: str) -> None:
    text, group = LINE[name]
    messages, rejects = read("line", written(tmp_path, "chat.txt", text))
    assert [(message.sender, message.text, message.timestamp - 1714521600) for message in messages] == [
        ("Ines", "does it run?", 15 * 3600 + 240),
        ("Tomas", 'yes\n2024/05/02 or so, "really"', 15 * 3600 + 300),
        ("Ines", "good", 24 * 3600 + 60),
    ]
    assert {message.group for message in messages} == {group}
    assert rejects == {"media_without_text": 2, "system": 2, "deleted": 1}


@pytest.mark.parametrize(
    "text", ["2024.05.01 水曜日\n15:04 ines hi\n", "2024.05.01 Wednesday\r\n15:04 Ann Lee hi\r\n"]
)
def test_line_of_a_pc_is_an_error_that_says_why(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "chat.txt", text)
    assert formats_of(path) == ["line"]
    with pytest.raises(click.ClickException, match="nothing tells names from texts; export the chat on a phone"):
        read("line", path)


MESSENGER_NOTES = {
    "Ines is now an admin.": "system",
    "Ines made Tomas an admin.": "system",
    "Ines removed Tomas as an admin.": "system",
    "Ines removed the group photo.": "system",
    "Ines invited Tomas to the group.": "system",
    "You called Tomas.": "system",
    "You turned on disappearing messages.": "system",
    "You started sharing live location": "system",
    "Ines Roe joined the group with your invite link": "system",
    'Ines changed vote to "a" in the poll: x.': "system",
    "This poll is no longer available.": "system",
    "Say hi to your new Facebook friend, Ines.": "system",
    "You are now connected on Messenger": "system",
    "You can now message and call each other and see info like Active Status.": "system",
    "Mentioned you in their story": "system",
    "Ines mentioned you in a story.": "system",
    "Replied to your story": "system",
    "Messages and calls are secured with end-to-end encryption.": "system",
    "Ines liked a message.": "reaction",
    "This message is no longer available because it was unsent by the sender.": "deleted",
    "": "media_without_text",
}


@pytest.mark.parametrize(("text", "reason"), MESSENGER_NOTES.items())
def test_notes_of_messenger(tmp_path: Path, text: str, reason: str) -> None:
    sender = {"sender_name": "Ines Roe", "timestamp_ms": MS}
    texts = ["hi", "You called me?", "You turned on the light", "Replied to your mail"]
    notes = [sender | ({"content": text} if text else {}), sender | {"sender_name": "Meta AI", "content": "I am"}]
    chat = {"messages": [*notes, *(sender | {"content": text} for text in texts)], "thread_path": "inbox/lab_1"}
    messages, rejects = read("messenger", written(tmp_path, "message_1.json", chat))
    assert said(messages) == [("Ines Roe", text) for text in texts]
    assert messages[0].timestamp == AT
    assert rejects == {reason: 1, "bot": 1}
