"""Words: texts compared without their quotes, case and endings."""

import re
import unicodedata
from dataclasses import dataclass

_APOSTROPHES = re.compile("['’‘`´ʼ]")
_WORD = re.compile(r"\w+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

#: Letters of a word that count: Korea and Korea's are one word, so are attack and attacked.
_STEM = 5


def fold(text: str) -> str:
    """*text* as its words alone; straight and curly quotes make no difference."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(_APOSTROPHES.sub("", plain)))


def _stems(folded: str) -> frozenset[str]:
    """The telling words of a text, cut to their stems; pairs of characters in wide scripts."""
    if _WIDE.search(folded):
        return frozenset(folded[i : i + 2] for i in range(len(folded) - 1))
    long = [word for word in folded.split() if len(word) > 3 or word.isdigit()]
    return frozenset(word[:_STEM] for word in long or folded.split())


@dataclass(frozen=True, slots=True)
class Gist:
    """A headline ready to be compared."""

    folded: str
    stems: frozenset[str]


def gist_of(text: str) -> Gist:
    """The gist of *text*."""
    folded = fold(text)
    return Gist(folded, _stems(folded))


def likeness(a: Gist, b: Gist) -> float:
    """How much of the shorter of two headlines is in the other: 0 to 1, 2 for the same words."""
    if a.folded == b.folded:
        return 2.0
    common = len(a.stems & b.stems)
    return common / min(len(a.stems), len(b.stems)) if common >= 2 else 0.0
