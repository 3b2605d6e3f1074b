"""Traits: what the look of a single line says about it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from slugline_ingest.extractors.text.captions import is_caption
from slugline_ingest.extractors.text.remembered import remembered

#: Scripts written without blanks; one of their characters carries as much as two or three letters.
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uff60]")
_CLOSERS = "\"'’”“»›)]}」』】》）* \u200d"
#: How much of a line is read; beyond this every line is a long paragraph.
_READ = 2000
_ABBREVIATED = re.compile(
    r"(?:\b[A-Za-z]\.){2,}$|\b(?:Inc|Co|Jr|Sr|Ltd|vs|No|St|Mio|Mrd|proc|mln|mld|tys|zł|pct|mil|млн|млрд|руб|тыс)\.$"
)
_TRAILING_OFF = re.compile(r"(?:…|\.\.\.)$")
#: Group by group, so that an opener may stand between the blank and the first letter.
_BOUNDARY = re.compile(r"[.!?…][\"'’”»)\]]*\s+[\"'‘“«„¿¡(\[]*[^\W\d_a-zß-öø-ÿа-я]|[。！？؟۔।](?=.)")
_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Sen|Gov|Gen|Rep|Prof|Col|Lt|Sgt|vs|No|[A-Z])\.\s")
#: An agency behind the last sentence: `The bridge is closed. (dpa)`.
_SOURCE = re.compile(r"(?<=[.!?…。”\"])\s*\([^()]{1,40}\)$")
_BULLET = re.compile(r"(?:[•●▪◦‣∙·►▶➤■*]|[-–—]\s)\s*(?=\S)")


class End(StrEnum):
    """How a line ends, closing quotes and brackets aside."""

    STOP = "stop"
    TRAILING_OFF = "trailing off"
    ASK = "question or exclamation mark"
    COLON = "colon"
    COMMA = "comma"
    NONE = "none"


_ENDS = {
    mark: end
    for marks, end in (
        (".…。．｡।۔", End.STOP),
        ("?!？！؟‽", End.ASK),
        (":：", End.COLON),
        (",;،、，；", End.COMMA),
    )
    for mark in marks
}


@dataclass(frozen=True, slots=True)
class Traits:
    """*width* is in Latin letters, wide scripts reckoned up; *sentences* is how many it seems.

    *caption*: it stood under a picture.
    """

    end: End
    width: int
    words: int
    sentences: int
    bulleted: bool
    lower: bool
    caption: bool


@remembered
def traits_of(text: str) -> Traits:
    """The traits of *text*."""
    start = text[:_READ]
    width = len(text) if text.isascii() else len(text) + int(1.3 * len(_WIDE.findall(start)))
    return Traits(
        end=end_of(text),
        width=width,
        words=max(text.count(" ") + 1, width // 12),
        sentences=1 + len(_BOUNDARY.findall(_TITLED.sub("x ", start) if ". " in start else start)),
        bulleted=_BULLET.match(text) is not None,
        lower=text[:1].islower(),
        caption=is_caption(text),
    )


def end_of(text: str) -> End:
    """How *text* ends."""
    last = text[-80:]
    bare = (_SOURCE.sub("", last) if last.endswith(")") else last).rstrip(_CLOSERS)
    end = _ENDS.get(bare[-1:], End.NONE)
    return _stop_of(bare) if end is End.STOP else end


def _stop_of(bare: str) -> End:
    tail = bare[-12:]
    if _TRAILING_OFF.search(tail):
        return End.TRAILING_OFF
    return End.NONE if _ABBREVIATED.search(tail) else End.STOP


def without_bullet(text: str) -> str:
    """*text* without the mark of a list in front."""
    return _BULLET.sub("", text, count=1)
