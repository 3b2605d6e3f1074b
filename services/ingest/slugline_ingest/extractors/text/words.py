"""Words: texts compared without their quotes, case and endings."""

import re
import unicodedata
from dataclasses import dataclass

from slugline_ingest.extractors.text.remembered import remembered

_APOSTROPHES = re.compile("['’‘`´ʼ]")
_WORD = re.compile(r"\w+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

#: Letters of a word that count: Korea and Korea's are one word, so are attack and attacked.
_STEM = 5
#: In a shorter text a letter may make all the difference.
_TELLING = 20


def fold(text: str) -> str:
    """*text* as its words alone; straight and curly quotes make no difference."""
    if text.isascii():
        plain = text.lower().replace("'", "").replace("`", "")
    else:
        plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_WORD.findall(plain))


def _stems(folded: str) -> frozenset[str]:
    """The telling words of a text, cut to their stems; pairs of characters in wide scripts."""
    if not folded.isascii() and _WIDE.search(folded):
        return frozenset(folded[i : i + 2] for i in range(len(folded) - 1))
    words = folded.split()
    long = {word[:_STEM] for word in words if len(word) > 3 or word.isdigit()}
    return frozenset(long or {word[:_STEM] for word in words})


@dataclass(frozen=True, slots=True)
class Gist:
    """A headline ready to be compared."""

    folded: str
    stems: frozenset[str]


@remembered
def gist_of(text: str) -> Gist:
    """The gist of *text*."""
    folded = fold(text)
    return Gist(folded, _stems(folded))


def is_typo(one: str, other: str) -> bool:
    """Whether two folded texts differ in one letter, or in two that changed places."""
    if abs(len(one) - len(other)) > 1 or len(one) < _TELLING:
        return False
    start = _shared(one, other)
    one, other = one[start:], other[start:]
    end = _shared(one[::-1], other[::-1])
    left, right = one[: len(one) - end], other[: len(other) - end]
    swapped = len(left) == 2 and left == right[::-1]
    return (swapped or max(len(left), len(right)) == 1) and not any(map(str.isdigit, left + right))


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    differ = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def likeness(a: Gist, b: Gist) -> float:
    """How much of the shorter of two headlines is in the other: 0 to 1, 2 for the same words."""
    if a.folded == b.folded:
        return 2.0
    common = len(a.stems & b.stems)
    return common / min(len(a.stems), len(b.stems)) if common >= 2 else 0.0
