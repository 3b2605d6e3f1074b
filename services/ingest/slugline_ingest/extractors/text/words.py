"""Words: texts compared without their quotes, case and endings."""

import re
import unicodedata

_APOSTROPHES = re.compile("['’‘`´ʼ]")
_WORD = re.compile(r"\w+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

#: Letters of a word that count: Korea and Korea's are one word, so are attack and attacked.
_STEM = 5


def fold(text: str) -> str:
    """*text* as its words alone; straight and curly quotes make no difference."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(_APOSTROPHES.sub("", plain)))


def stems(text: str) -> frozenset[str]:
    """The telling words of *text*, cut to their stems; pairs of characters in wide scripts."""
    folded = fold(text)
    if _WIDE.search(folded):
        return frozenset(folded[i : i + 2] for i in range(len(folded) - 1))
    long = [word for word in folded.split() if len(word) > 3 or word.isdigit()]
    return frozenset(word[:_STEM] for word in long or folded.split())


def likeness(a: str, b: str) -> float:
    """How much of the shorter of two headlines is in the other: 0 to 1, 2 for the same words."""
    if fold(a) == fold(b):
        return 2.0
    mine, other = stems(a), stems(b)
    common = len(mine & other)
    return common / min(len(mine), len(other)) if common >= 2 else 0.0
