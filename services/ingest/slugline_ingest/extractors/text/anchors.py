"""Anchors: lines that carry a time or a byline, each read on its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.names import byline_of, people_of
from slugline_ingest.extractors.text.remembered import remembered
from slugline_ingest.extractors.text.stamp_patterns import FIRST_WORDS, STARTING_WORD
from slugline_ingest.extractors.text.stamps import Scan, Stamp, scan
from slugline_ingest.extractors.text.vocabulary import KEY_EVENT, plain


class Kind(StrEnum):
    """What an anchor says."""

    CLOCK = "a time of day"
    EPOCH = "a Unix time"
    RELATIVE = "minutes ago"
    MINUTE = "a minute of a match"
    PHASE = "a break or end of a match"
    BYLINE = "who wrote, without a time"
    DATE = "a date alone"
    UPDATED = "the time of a change"


class Form(StrEnum):
    """Where on its line an anchor stands."""

    WHOLE = "alone"
    PREFIX = "in front of text"
    SUFFIX = "behind text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The anchor of the line at *index*.

    *text* is what else is on the line: a heading, the first paragraph, or perhaps a name, which
    only the whole document can tell; *comma* says that a comma stands between. *people* are those
    of a byline.
    """

    index: int
    kind: Kind
    form: Form
    stamp: Stamp = Stamp()  # noqa: RUF009 - frozen
    text: str = ""
    comma: bool = False
    people: tuple[str, ...] = ()


_LONGEST_HEADING = 240
_TAIL = 80

_MAY_START = re.compile(
    r"[\s,;|·•:()\[\]+*/_>»▶🔴⚡🕐-🕧⏰⏱–—-]{0,6}(?:\d|[^\W\d_]{1,20}[\s.,:'’-]{1,3}[^\W_]|[午上下오قم昨今])"
)
_WORD = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile(r"\d")
_MAY_END = re.compile(
    r"(?:\d|\d\s?[ap]\.?m\.?|[ap]m|Uhr|uur|\dh|hrs|\b[A-Z]{2,4}|ago|[Tt]ime|geleden|fa|назад|[前日年])"
    r"[\s)\]+*|.]{0,4}$"
)
_TAIL_STARTS = re.compile(rf"(?<![\d.:/–—-])\d|{STARTING_WORD.pattern}", re.IGNORECASE)
_PUBLISHED_AT = re.compile(r"published\s+(?:at\s+)?$", re.IGNORECASE)

_MINUTE = re.compile(
    r"(?:min(?:ute|uto)?\.?\s+)?(?P<minute>\d{1,3})(?:\s?\+\s?(?P<over>\d{1,2}))?"
    r"(?:\s?['’′´](?:\s?\+\s?(?P<extra>\d{1,2})['’′]?)?(?![a-z])"
    r"|\.?\s?(?:min|mins|minutes?|minuto|minuut|Min\.|Minute|мин)\b\.?(?!\s+ago))"
    r"\s*(?P<sign>[:.|–—-]*)\s*(?P<text>.*)",
    re.IGNORECASE,
)
#: Whatever is in capitals in front of a colon or alone, and some that need not be.
_PHASE = re.compile(
    r"[^\W\d_a-zß-öø-ÿа-я]{2,}(?:[ '-][^\W\d_a-zß-öø-ÿа-я]{2,}){0,3}(?:[:!.–-]|$)"
    r"|(?:(?i:half|full)[ -]?(?i:time)|(?i:kick[ -]?off)|(?i:extra[ -]time)|Halbzeit|Anpfiff|Abpfiff"
    r"|Mi-temps|Descanso|Fin(?:al)? del partido|Intervallo|Fine partita)\b(?!\s[a-zß-öø-ÿа-я])"
)
#: `10 minutes later, …` is a sentence, `67' goal` and `67 min: …` are not.
_SENTENCE = re.compile(r"[a-zß-öø-ÿа-я]")
_TWEET = re.compile(r"[—–-]\s?\S.*@\w+|.*pic\.twitter\.com/|https?://")


def anchors_of(lines: Sequence[Line]) -> list[Anchor]:
    """The anchors of *lines*, in order; most of them will turn out to mean nothing."""
    found = (_anchor(index, line) for index, line in enumerate(lines))
    return [anchor for anchor in found if anchor is not None]


def _anchor(index: int, line: Line) -> Anchor | None:
    text = line.text
    if _TWEET.match(text):
        return None
    start = text[:_TAIL]
    if _is_worthwhile(start) and _MAY_START.match(start):
        read = _minute(index, text) or _front(index, text)
        if read is not None:
            return read
    phase = _phase(index, text)
    if phase is not None:
        return phase
    people = byline_of(text)
    if people:
        return Anchor(index=index, kind=Kind.BYLINE, form=Form.WHOLE, people=people)
    short = len(text) <= _LONGEST_HEADING
    may_end = short and _DIGIT.search(text[-_TAIL:]) and _MAY_END.search(text[-12:])
    return _back(index, text) if may_end else None


def _is_worthwhile(start: str) -> bool:
    if _DIGIT.search(start):
        return True
    lower = start.lower()
    return "now" in lower or "moment" in lower


def _minute(index: int, text: str) -> Anchor | None:
    found = _MINUTE.match(text)
    if found is None or int(found["minute"]) > 130:
        return None
    if not found["sign"] and _SENTENCE.match(found["text"]) and not re.search(r"['’′´]", text[:8]):
        return None
    form = Form.PREFIX if found["text"] else Form.WHOLE
    played = Stamp(played=(int(found["minute"]), int(found["over"] or found["extra"] or 0)))
    return Anchor(index=index, kind=Kind.MINUTE, form=form, stamp=played, text=found["text"])


def _phase(index: int, text: str) -> Anchor | None:
    found = _PHASE.match(text)
    if found is None or KEY_EVENT.fullmatch(plain(text)):
        return None
    return Anchor(index=index, kind=Kind.PHASE, form=Form.PREFIX, text=text)


@remembered
def _opening_of(text: str) -> Scan:
    return scan(text)


def _front(index: int, text: str) -> Anchor | None:
    word = _WORD.match(text[:_TAIL])
    if word and word[0].casefold() not in FIRST_WORDS:
        return None
    read = _opening_of(text)
    kind = _kind(read.stamp)
    if kind is None:
        return None
    opened = len(read.gap) - len(read.gap.rstrip("(["))
    rest = text[read.end - opened :] if read.end < len(text) else ""
    if not rest:
        return Anchor(index=index, kind=kind, form=Form.WHOLE, stamp=read.stamp)
    if kind in (Kind.DATE, Kind.UPDATED) or not _may_be_followed(read, rest):
        return None
    people = byline_of(rest)
    form = Form.WHOLE if people else Form.PREFIX
    comma = "," in read.gap
    text = "" if people else rest
    return Anchor(
        index=index, kind=kind, form=form, stamp=read.stamp, text=text, comma=comma, people=people
    )


def _kind(stamp: Stamp) -> Kind | None:
    if not stamp.is_anything:
        return None
    if stamp.updated:
        return Kind.UPDATED
    if stamp.instant is not None:
        return Kind.EPOCH
    if stamp.is_clock:
        return Kind.CLOCK
    return Kind.RELATIVE if stamp.ago is not None else Kind.DATE


def _may_be_followed(read: Scan, rest: str) -> bool:
    """Whether *rest* may be what a stamp in front of it announces, rather than its sentence."""
    if len(rest) < 2:
        return False
    if set(read.gap) & set(":|+–—-,•·"):
        return True
    if read.opening == "preposition":
        return False
    if read.stamp.unit or read.stamp.instant:
        return not rest[0].islower()
    # A bare 17.48 may be a price or a share: take it only before what looks like a new sentence.
    return rest[0].isupper() or rest[0] in "\"'“‘«„¿¡"


def _back(index: int, text: str) -> Anchor | None:
    offset = max(0, len(text) - _TAIL)
    for found in _TAIL_STARTS.finditer(text, offset):
        read = scan(text, found.start())
        if read.end == len(text) and read.stamp.is_anything:
            return _behind(index, text[: found.start()], read)
    return None


def _behind(index: int, front: str, read: Scan) -> Anchor | None:
    kind = _kind(read.stamp)
    if kind is None or not front:
        return None
    people = byline_of(front.rstrip(" ,;|·-–—")) or people_of(front)
    if people and kind is not Kind.DATE:
        return Anchor(index=index, kind=kind, form=Form.WHOLE, stamp=read.stamp, people=people)
    heading = _PUBLISHED_AT.sub("", front)
    said = heading != front or read.opening == "verb" or front[-1] in "|([–—-,"
    if kind is not Kind.CLOCK or not said:
        return None
    heading = heading.rstrip(" ,;|·-–—([")
    return Anchor(index=index, kind=kind, form=Form.SUFFIX, stamp=read.stamp, text=heading)
