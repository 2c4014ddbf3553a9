"""Control tokens of the common model families, spelled out in a text: a chat's members may write them too."""

import re

WORD_JOINER = "\u2060"  # an invisible character that breaks a control token where it is inserted
TAGS = (
    r"s|bos|eos|eo[adhmt]|unk|pad|cls|sep|mask(?::\d+)?|[se]op|pre|suf|mid|unused\d+|seed:\w+|think(?:ing)?|thought"
    r"|answer|reasoning|tools?|image|video|audio|img|box|ref|quad|reponame|filename|\w{0,60}[_▁]\w{0,60}"
)
# Each alternative matches the empty string behind the first character of a token: <|im_end|> and DeepSeek's
# <｜User｜>; <s>, <think>, <start_of_turn>; <<SYS>>; [INST], [gMASK], [TOOL_CALLS]; ChatGLM's sop and eop, which are
# words.
INSIDE_CONTROL_TOKEN = re.compile(
    r"(?<=<)(?=[|｜][^<>]{0,80}?[|｜]>)"
    rf"|(?<=<)(?=/?(?i:{TAGS})>)"
    r"|(?<=<)(?=</?SYS>>)"
    r"|(?<=\[)(?=/?(?:[A-Z][A-Z_]*|[gs]MASK)(?:_?\d+)?\])"
    r"|(?<![A-Za-z0-9_][se])(?<=[se])(?=op(?![A-Za-z0-9_]))"
)
