"""Lines: the text of a dump, cleaned and cut, before anything is read into it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from slugline_ingest.extractors.text.traits import Traits, traits_of

_BREAK = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")

#: Control characters (but for the blanks), bidirectional marks, zero-width fillers and surrogates.
#: The joiners U+200C and U+200D stay: Persian words and emoji are made of them.
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
#: A Unix time glued to the heading below it, as scrapers leave it.
_GLUED_EPOCH = re.compile(r"(?m)^[ \t]*1[4-9]\d{8}(?=[^\W\d_])")
#: A label glued to the time in front of it.
_GLUED_LABEL = re.compile(
    r"(?m)^([ \t]*\d{1,2}[:.]\d\d)[ \t]*(?=KEY (?:EVENT|MOMENT|UPDATE)[ \t\r]*$)"
)
_MOST_LINES = 200_000
_RULE = re.compile(r"(?:[-*_=–—~•·#+]\s?){3,}")
_MARKS = ("#", "*", "_")
_MARKED = re.compile(r"#{1,6}\s+(?P<hashed>\S.*?)\s*#*|(?:\*\*|__)(?P<bold>[^*_].*?)(?:\*\*|__)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line with text on it, its blanks collapsed.

    *apart*: a blank line stands above it. *ruled*: a rule such as `* * *` does. *marked*: it was
    marked as a heading, as in `## Heading`.
    """

    text: str
    traits: Traits
    apart: bool = False
    ruled: bool = False
    marked: bool = False


def line_of(text: str, *, apart: bool = False, ruled: bool = False) -> Line:
    """A line with *text*, its mark as a heading taken off."""
    found = _MARKED.fullmatch(text) if text[:1] in _MARKS else None
    plain = (found["hashed"] or found["bold"]) if found else text
    return Line(plain, traits_of(plain), apart, ruled, marked=found is not None)


def read_lines(text: str) -> list[Line]:
    """The lines of *text* that hold anything; none where there are more than any live page has."""
    unglued = _GLUED_EPOCH.sub("\\g<0>\n", _DROPPED.sub("", text))
    unglued = _GLUED_LABEL.sub("\\1\n", unglued)
    raw = [" ".join(line.split()) for line in _BREAK.split(unglued)]
    if sum(map(bool, raw)) > _MOST_LINES:
        return []
    return list(_with_text(_unwrapped(raw)))


def _with_text(raw: Sequence[str]) -> Iterator[Line]:
    apart = ruled = False
    for text in raw:
        if not text:
            apart = True
        elif _RULE.fullmatch(text):
            apart = ruled = True
        else:
            yield line_of(text, apart=apart, ruled=ruled)
            apart = ruled = False


def _unwrapped(raw: Sequence[str]) -> list[str]:
    """*raw* with paragraphs joined again that were broken at a fixed width, as in mail."""
    measure = max(map(len, raw), default=0)
    inner = [(a, b) for a, b in pairwise(raw) if a and b]
    full = sum(_fills(a, b, measure) for a, b in inner)
    if not 40 <= measure <= 100 or full < 6 or full < 0.6 * len(inner):
        return list(raw)

    joined = [raw[0]]
    for above, below in pairwise(raw):
        if above and below and _fills(above, below, measure):
            joined[-1] += f" {below}"
        else:
            joined.append(below)
    return joined


def _fills(above: str, below: str, measure: int) -> bool:
    """Whether *above* was broken for want of room: the first word of *below* did not fit on it."""
    return len(above) + 1 + len(below.split(maxsplit=1)[0]) > measure


def are_blanks_telling(lines: Sequence[Line]) -> bool:
    """Whether blank lines set blocks apart, rather than every line or none."""
    apart = sum(line.apart for line in lines[1:])
    return 0.1 * len(lines) <= apart <= 0.65 * len(lines)
