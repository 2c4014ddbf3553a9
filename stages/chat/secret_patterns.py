"""Patterns of credentials.py: what passwords, tokens and keys look like, and what stands before them.

All read folded text (see folding.py). The time of each pattern grows with the length of the text alone: what repeats
is bounded, or begins only where no such character is before it.
"""

import re
import unicodedata

# The characters of the keys that services make.
KEY_CHARACTERS = r"[\w.~+/=-]"

# A text without either has no token. Every token and every URL with a password has one; few words have.
# A pseudonym alone, in punctuation or not, is no long run.
LONG_RUN = re.compile(r"(?<![!-~])(?!\W{0,3}[0-9a-f]{16}\W{0,3}(?![!-~]))[!-~]{16}|://")

PRIVATE_KEY = re.compile(  # to its end, or to the end of the text
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----(?:.*?-----END [A-Z0-9 ]{0,40}-----|.*)", re.DOTALL
)
WEB_TOKEN = re.compile(r"(?<![\w-])eyJ[\w=-]{8,}\.[\w.+/=-]+", re.ASCII)  # JWT: `eyJ` is base64 of `{"`
BEARER_TOKEN = re.compile(  # with a digit, or it is a word: "the bearer of"
    rf"(?<!\w)(?i:bearer)\s{{1,3}}(?=\S{{0,200}}\d){KEY_CHARACTERS}{{16,}}", re.ASCII
)
KEY_PREFIXES = {
    "age": "AGE-SECRET-KEY-",
    "Alibaba Cloud": "LTAI",
    "Atlassian": "AT[A-Z]{3}3",
    "Contentful": "CFPAT-",
    "Databricks": "dapi",
    "DigitalOcean": "do[opr]_v1_",
    "Docker": "dckr_[a-z]{3}_",
    "Doppler": r"dp\.[a-z]{2}\.",
    "Facebook": "EAA",
    "Figma": "figd_",
    "Fireworks": "fw_",
    "GitHub": "github_pat_|gh[a-z]_",
    "Google": r"ya29\.|1//0|GOCSPX-|AIza",
    "Grafana": "gl[cs]a?_",
    "Groq": "gsk_",
    "Hugging Face": "hf_",
    "Linear": "lin_api_",
    "New Relic": "NRAK-",
    "Notion": "ntn_|secret_",
    "npm": "npm_",
    "NVIDIA": "nvapi-",
    "OpenAI, Anthropic": "sk-",
    "Perplexity": "pplx-",
    "PostHog": "phx_",
    "Postman": "PMAK-",
    "Pulumi": "pul-",
    "PyPI": "pypi-",
    "Replicate": "r8_",
    "RubyGems": "rubygems_",
    "SendGrid": r"SG\.",
    "Sentry": "sntry[su]_",
    "Shippo": "shippo_",
    "Shopify": "shp[a-z]{2}_",
    "Slack": "xapp-|xox[a-z]-",
    "Stripe": "[rsp]k_(?:live|test)_|whsec_",
    "Supabase": "sbp_|sb_secret_",
    "Tailscale": "tskey-",
    "Tavily": "tvly-",
    "Tencent Cloud": "AKID",
    "Vault": r"hv[sbr]\.",
    "xAI": "xai-",
}
PREFIXED_KEY = re.compile(
    rf"(?<![\w-])(?=\S{{0,60}}\d)(?:{'|'.join(KEY_PREFIXES.values())}){KEY_CHARACTERS}{{16,}}", re.ASCII
)
KEY_REST = re.compile(r"[A-Za-z0-9_+/=-]*")  # patterns of detect-secrets may end inside a key

RANDOM_RUN = re.compile(r"(?<![\w+/=.~-])[\w+/-]{24,}={0,2}(?![\w.-])", re.ASCII)
KIND_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]")
MIN_KIND_CHANGES = 0.3  # for each character of a random run; words that are written together have fewer

# In each of these the secret is the group that matches. The key is in every match, and quick to look for.
ENCLOSED_SECRETS = {
    # user:password@ of a URL. A number after the colon is a port.
    "://": r"""://([^\s/?\#@:"'<>\[\]]{0,100}:(?!\d{1,5}[/?\#@])[^\s@"'<>\[\]]{1,200}(?:@[^\s@/"'<>]{1,100}){0,3})@[\w\[]""",
    # A parameter of a URL. After `key`, `code` and the like, which also name other things, 8 characters with a digit.
    "=": r"""[?&;\#](?:[\w.-]{0,30}(?:token|secret|sig|signature|passw(?:or)?d|pwd|credentials?|api_?key|jwt)|pw|sid
        |(?:[\w.-]{0,30}[_-])?(?:key|auth|code|session|ticket)(?==[^\s&\#]{0,60}\d)(?==[^\s&\#]{8}))
        =([^\s&\#"'<>\[\])]+)""",
    # The path of a webhook: who knows it may post.
    "/": r"""/(?:webhooks?|webhookb2|hooks?|services)/(?=[^\s"'<>]{0,100}\d)([^\s?\#"'<>)\]]{16,})""",
    # An option of a command: `-u user:password`, `--token …`. `-u 1000:1000` has numbers of a user and a group.
    "-": r"""(?<!\S)(?:-u|--user|--proxy-user)[\ =]?["']?([^\s:"'\[]{1,100}:(?!\d+(?!\S))[^\s"']+)
        |(?<!\S)--?(?:pass(?:word|wd|phrase)?|token|secret|api-?key)[\ =]["']?([^\s"'\[-][^\s"']*)""",
}
ENCLOSED_SECRET_PATTERNS = {
    sign: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for sign, pattern in ENCLOSED_SECRETS.items()
}

BASIC_LOGIN = re.compile(r"(?<!\w)basic\s{1,3}([\w+/-]{6,}={0,2})", re.ASCII | re.IGNORECASE)

# `password: hunter2`, `the token is "…"`, `密码是…`: a name of a secret, a sign or a verb, and the secret.
PASSWORD = """pass(?:word|wd|phrase|code|wort)|passwd|(?<![A-Za-z])(?:pass|pwd|psw|pw)|kennwort|contrase(?:ñ|n)a|senha
    |mot\\ de\\ passe|wachtwoord|пароль|密码|密碼|口令|パスワード|비밀번호"""
CODE = "(?<![A-Za-z])(?:pin|otp|cvv|cvc)|验证码|驗證碼|verification\\ code"
KEY = """secret|token|credentials?|密钥|密鑰|令牌
    |(?:api|access|auth|private|secret|service|account|client|db|database|encryption|signing|license|session)
    [\\ _-]?key"""
ASSIGNMENT = re.compile(
    unicodedata.normalize(
        "NFKD",  # as folded text is
        rf"""(?:(?P<password>{PASSWORD})|(?P<code>{CODE})|(?P<key>{KEY})) (?:[_-]?\d{{1,2}}|[_-](?!count)\w{{1,20}})?
        ["')\]]{{0,2}} (?:\ {{0,3}}(?P<sign>[:=]{{1,3}}>?|->)\ {{0,3}}|\ (?:is|ist|es)\ |\ ?[是为]\ ?)
        (?:(?P<quote>["'`])(?P<quoted>[^"'`\n]{{1,200}})
        |(?P<bare>(?:[^\s"'`,;<>\u0370-\U0010ffff]|[,;](?=[!-~]))+|[^\s!-~。]{{1,30}}))""",
    ),
    re.IGNORECASE | re.VERBOSE,
)
SECRET_NAME_PARTS = tuple(  # every match of BASIC_LOGIN and ASSIGNMENT has one of these; most texts have none
    unicodedata.normalize(
        "NFKD",
        "pass pw psw kennwort contrase senha wachtw паро 密 口令 パス 비밀 驗證 验证 令牌 "
        "pin otp cv verif secret token cred key basic",
    ).split()
)
URL_PARAMETER = re.compile(r"[?&;#][\w.-]{0,30}$")  # before the name of a secret: ENCLOSED_SECRETS has the rule for it
CLAUSE_END = re.compile(r"[.!?)\]}。！？]*\s*(?:$|\n|,)")
NO_SECRET = re.compile(  # words that follow a sign, and values that are themselves a mask, a variable, a URL or a call
    r"""yes|no|y|n|ok(?:ay)?|true|false|on|off|none|null|nil|n/a|empty|blank|unknown|what|why|how|who|where|required|optional
    |wrong|right|(?:in)?valid|(?:in)?correct|expired|missing|changed|reset|unset|hidden|secret|pass(?:word|wd)?|token|user(?:name)?
    |the|same|this|that|here|below|please|sent|done|it|a|not|str(?:ing)?|int|bool|text|请.*|[*x•·_?-]+|[$%&<{\[].*|https?:.*
    |[\w.]+\(.*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
PIN = re.compile(r"\d{3,8}")
LONG_NUMBER = re.compile(r"\d{4,}")
DIGIT = re.compile(r"\d")
LETTER = re.compile(r"[^\W\d]")
NO_WORD = re.compile(r"[a-z][A-Z]|\w[^\w\s'.]+\w|[^\w\s'.]{2}")  # inner capitals or symbols
