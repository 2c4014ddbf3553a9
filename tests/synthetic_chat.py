"""Made-up chat, English and Chinese, where a test needs much of it and the real one isn't at hand."""

import random
from typing import Any

from stages.llm import Prompt, prompts
from tests.conftest import QUESTION, inquiry, sender

ENGLISH = """How do I run this on a phone?
I tried it yesterday and it crashed.
Does anyone know which version works?
The second one is faster on my laptop.
And what about that one
Thanks, that solved it!
Is it the same with the other model?
My dog sleeps on the keyboard all day.
Where did you find the file?
It says permission denied when I open it.
Could you send me the link again?
We went to the lake on Sunday, it was cold.
So you mean the one from last week?
I have no idea, ask in the other group.
What is the capital of Portugal?
Why not
Can it be trained with two cards?
The build takes forty minutes here.
Which of them did you like better?
lol same here""".splitlines()
CHINESE = """这个模型可以部署到手机上吗？
我昨天试了一下，报错了。
那第二个呢
请问哪个版本能用？
谢谢，已经解决了！
训练需要多少显存
你说的是上周那个吗？
文件在哪里下载
我也不清楚，问问群主吧。
为什么打不开""".splitlines()


def items(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Labelled inquiries with up to four turns before each; every third is Chinese. All texts differ."""
    rng = random.Random(seed)
    rows = []
    for id in range(n):
        lines = CHINESE if id % 3 == 2 else ENGLISH
        before = [
            {"sender": sender(rng.choice("abc")), "text": rng.choice(lines), "timestamp": 1_700_000_000 + at}
            for at in range(rng.randint(0, 4))
        ]
        text = f"{rng.choice(lines)}\n{rng.choice(lines)} ({id})"
        rows.append(inquiry(id, text, at=100 * id) | {"cr_window": before, "label": rng.random() < 0.5})
    return rows


def questions(count: int) -> list[Prompt]:
    """English and Chinese prompts about items, most with a turn of history."""
    chats: list[Prompt] = []
    for item in items(count):
        prompt = prompts.load(QUESTION, "zh" if item["id"] % 3 == 2 else "en")
        chats.append([{"role": "user", "content": prompts.render(item, prompt, prompts.OPTIONS, 1)}])
    return chats
