"""Stamps: a time as printed on a page, read token by token."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from slugline_ingest.extractors.text.calendar_names import MONTHS, SPANS
from slugline_ingest.extractors.text.stamp_patterns import TOKENS

#: Above this a Unix time is in milliseconds.
_MILLISECONDS = 10**11

#: A number and its unit, as in `2 hr 14 min ago`.
_SPAN = re.compile(r"(\d{1,3})\+?\s?([^\W\d_]+)")
_AFTER_NOON = ("午後", "下午", "오후")


@dataclass(frozen=True, slots=True)
class Day:
    """A date as printed; *year* is None where it was left out."""

    month: int
    day: int
    year: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a printed time says, nothing worked out.

    *back* is how many days ago (`yesterday` is 1). *zone* is as printed. *ago* is for `10
    minutes ago`, *updated* for the time of a change. *unit* says that the clock time could be
    nothing else, as `17.48 Uhr` or `5pm`, where `17.48` alone might be a price. *played* is the
    minute of a match and what was played over time: 45+2.
    """

    hour: int | None = None
    minute: int = 0
    second: int = 0
    day: Day | None = None
    back: int | None = None
    zone: str = ""
    instant: datetime | None = None
    ago: timedelta | None = None
    updated: bool = False
    unit: bool = False
    played: tuple[int, int] | None = None

    @property
    def is_clock(self) -> bool:
        return self.hour is not None or self.instant is not None

    @property
    def is_anything(self) -> bool:
        return self.is_clock or self.ago is not None or self.day is not None


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a stamp reached into a text.

    *gap* is what stands between its last token and the rest. *opening* is the kind of its first
    token, blanks and signs aside.
    """

    stamp: Stamp
    end: int
    gap: str
    opening: str


def scan(text: str, start: int = 0) -> Scan:
    """Read as many tokens of a stamp as *text* has from *start* on."""
    stamp, end, gap, opening, pending = Stamp(), start, "", "", False
    for kind, found in _tokens(text, start):
        read = _READERS[kind](stamp, found)
        if read is None:
            break
        stamp = read
        # A preposition that nothing follows is a word of the text: `8.02pm - The vote`.
        pending = kind == "preposition" or (pending and kind == "sign")
        if not pending:
            end = found.end()
            gap = gap + found[0] if kind == "sign" else ""
        opening = opening or ("" if kind == "sign" else kind)
    return Scan(stamp, end, gap, opening)


def _tokens(text: str, start: int) -> Iterator[tuple[str, re.Match[str]]]:
    position = start
    while position < len(text):
        for kind, pattern in _tokens_from(text[position : position + 3]):
            found = pattern.match(text, position)
            if found:
                yield kind, found
                position = found.end()
                break
        else:
            return


def _tokens_from(start: str) -> Sequence[tuple[str, re.Pattern[str]]]:
    """The tokens that may begin with *start*, three characters, to try no others."""
    if start[0].isdecimal():
        return _CLOCK_ALONE if ":" in start else _FROM_DIGITS
    return _FROM_LETTERS if start[0].isalpha() else _FROM_SIGNS


def _only(*kinds: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, pattern) for kind, pattern in TOKENS if kind in kinds)


_CLOCK_ALONE = _only("clock")
_FROM_DIGITS = _only("iso", "epoch", "relative", "date", "clock")
_FROM_LETTERS = _only(
    "relative", "date", "clock", "zone", "back", "verb", "weekday", "unit", "preposition"
)
#: A blank may stand in front of a clock time, a sign of an offset is that of a zone.
_FROM_SIGNS = _only("clock", "zone", "sign")


def _clock(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    hour = int(found["hour"])
    half = (found["early"] or found["half"] or "").lower()
    if stamp.is_clock or (half and hour > 12):
        return None
    if half:
        hour = hour % 12 + (12 if half[0] == "p" or half in _AFTER_NOON else 0)
    unit = bool(found["unit"] or half or found["sign"] in ("h", "H", ":", "時", "时", "시"))
    if found["minute"] is None and not unit:
        return None
    minute, second = int(found["minute"] or 0), int(found["second"] or 0)
    return replace(stamp, hour=hour % 24, minute=minute, second=second, unit=unit)


def _iso(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    if stamp.is_clock:
        return None
    day = Day(int(found["month"]), int(found["day"]), int(found["year"]))
    if not (1 <= day.month <= 12 and 1 <= day.day <= 31):
        return None
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    zone = found["zone"] or ""
    return replace(stamp, day=day, hour=hour, minute=minute, second=second, zone=zone, unit=True)


def _epoch(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    seconds = int(found[0])
    if stamp.is_clock:
        return None
    seconds = seconds // 1000 if seconds > _MILLISECONDS else seconds
    return replace(stamp, instant=datetime.fromtimestamp(seconds, UTC), unit=True)


def _date(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    parts = {name.rstrip("1234567"): value for name, value in found.groupdict().items() if value}
    name = parts.get("name", "").casefold()
    month = MONTHS.get(name) if name else int(parts["month"])
    day, year = int(parts["day"]), int(parts["year"]) if "year" in parts else None
    if month and month > 12 >= day:
        day, month = month, day
    if stamp.day or not month or not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if year is not None and year < 100:
        year += 2000
    return replace(stamp, day=Day(month, day, year))


def _back(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    return replace(stamp, back=1 if found["yesterday"] else 0)


def _zone(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    return replace(stamp, zone=stamp.zone or found[0]) if stamp.hour is not None else None


def _relative(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    parts = _SPAN.findall(found[0]) or [("1", found[0])]
    spans = [int(number) * _span_of(unit) for number, unit in parts]
    return replace(stamp, ago=sum(spans, timedelta(0)))


def _span_of(unit: str) -> timedelta:
    """How long one *unit* is; no time at all for a word such as `now`."""
    known = (span for pattern, span in SPANS if pattern.match(unit.strip()))
    return next(known, timedelta(0))


def _verb(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    return replace(stamp, updated=stamp.updated or found["updated"] is not None)


def _filler(stamp: Stamp, found: re.Match[str]) -> Stamp | None:
    return stamp


_READERS = {
    "iso": _iso,
    "epoch": _epoch,
    "relative": _relative,
    "date": _date,
    "clock": _clock,
    "zone": _zone,
    "back": _back,
    "verb": _verb,
    "weekday": _filler,
    "unit": _filler,
    "preposition": _filler,
    "sign": _filler,
}
