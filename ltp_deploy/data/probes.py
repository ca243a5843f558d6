"""Texts that tokenizers are compared on.

Bundles hold a fingerprint of what became of them, so other texts need another `FORMAT_VERSION`.
"""

# ruff: noqa: RUF001  characters that look like others are the point

from __future__ import annotations

from ltp_deploy.data.texts import Text

_LINES = (
    "The film is GOOD, and it isn't dull at all.",
    "the film is good , and it is n't dull at all .",
    "",
    " ",
    "  two  spaces, a\ttab and a\nline break\r\n",
    "a",
    ".",
    "Unaffable, antidisestablishmentarianism; pneumonoultramicroscopicsilicovolcanoconiosis!",
    "x" * 150,
    "3.14159 1,000,000 42nd 2026-11-26 $5 50% #1 @user https://example.org/a?b=c&d=e_f",
    "don't I'll we've \"quoted\" 'quoted' `code` (brackets) [more] {most} <tag> a_b-c/d\\e",
    "Café naïve Zürich Ærøskøbing İstanbul ŒUVRE straße ﬁne ½ ™",
    "Cafe\u0301 nai\u0308ve",  # letters and accents apart
    "Привет, мир! Γειά σου Κόσμε. שלום עולם مرحبا بالعالم नमस्ते दुनिया สวัสดีชาวโลก",
    "你好，世界。東京都に住んでいます。안녕하세요 세계",
    ":) :-( … \U0001f602 \U0001f44d\U0001f3fd \u2764\ufe0f",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "“curly” ‘quotes’ – dash — dash… full．width　space",
    "zero\u200bwidth\ufeffmark soft\u00adhyphen nb\u00a0space \u202eright to left",
    "nul \0 bell \x07 escape \x1b[0m replacement \ufffd private \ue000",
    "[CLS] [SEP] [PAD] [UNK] [MASK] <s> </s> <pad> <unk> <mask> ▁the Ġthe ##s the@@ [unused0]",
    "@USER: RT this!!! HTTPURL soooo goooood",
)
PROBES: list[Text] = [
    *_LINES,
    *((first, second) for first, second in zip(_LINES, _LINES[3:], strict=False)),
    ("question?", "word " * 40),
    ("word " * 40, "answer."),
    ("word " * 40, "other " * 30),
    "word " * 60 + "end",
]
