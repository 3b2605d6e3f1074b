"""Times: printed stamps turned into instants, the days that nobody printed worked out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise

from slugline_ingest.extractors.text.calendar_names import zone_of
from slugline_ingest.extractors.text.stamps import Day, Stamp
from slugline_ingest.snapshot import Order

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
#: Neighbours out of order by no more than this are an untidy page, not another day.
_UNTIDY = timedelta(minutes=30)
#: How far a newsroom's clock may be ahead of ours: clocks differ, and some pages round up.
_AHEAD = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in UTC, or none; *inferred* when a part of it was worked out."""

    instant: datetime | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What bare times are placed by: *received* is aware, *day* the date the page says it has."""

    received: datetime
    zone: tzinfo
    day: Day | None = None

    @property
    def newest(self) -> datetime:
        """No entry is later than this by the newsroom's clock, which may be ahead of ours."""
        latest = self.received + _AHEAD
        if self.day is None:
            return latest
        whole = _dated(self.day, time.max, self.zone, self.received)
        return min(whole, latest) if whole is not None else latest


def order_of(stamps: Sequence[Stamp]) -> Order:
    """Whether times mostly fall or rise down the page; newest first when they do not tell."""
    keys = [_sort_key(s) for s in stamps if s.is_clock or s.played or s.ago is not None]
    pairs = [(a, b) for a, b in pairwise(keys) if len(a) == len(b)]
    rises = sum(a < b for a, b in pairs)
    falls = sum(a > b for a, b in pairs)
    return Order.OLDEST_FIRST if rises > falls else Order.NEWEST_FIRST


def _sort_key(stamp: Stamp) -> tuple[int, ...]:
    if stamp.instant is not None:
        return (int(stamp.instant.timestamp()),)
    if stamp.played:
        return stamp.played
    if stamp.hour is None and stamp.ago is not None:
        return (-int(stamp.ago.total_seconds()),)
    clock = (stamp.hour or 0, stamp.minute, stamp.second)
    if stamp.day is None:
        return (-(stamp.back or 0), *clock)
    return (stamp.day.year or 0, stamp.day.month, stamp.day.day, *clock)


def place(
    stamps: Sequence[Stamp], frame: Frame, order: Order, pinned: Collection[int] = ()
) -> list[Moment]:
    """The moment of each of *stamps*, which follow each other down the page in *order*.

    A bare time is on the day of the newest, a day earlier where it would be in the future, and a
    day earlier again wherever times jump up on the way from the newest to the oldest. The newest
    may be a little ahead of our clock; nothing that was worked out is later than the receipt.
    *pinned* are those that stand outside that order.
    """
    numbers = range(len(stamps)) if order is Order.NEWEST_FIRST else range(len(stamps))[::-1]
    placed: dict[int, Moment] = {}
    limit = frame.newest
    for count, number in enumerate(numbers):
        stamp = stamps[number]
        at = _placed(stamp, frame, frame.newest if number in pinned else limit, count)
        placed[number] = at
        if at.instant is not None and number not in pinned:
            latest = frame.newest if at.instant > frame.received else frame.received
            limit = min(at.instant + _UNTIDY, latest)
    placed |= _held_back(placed, frame.received)
    return [placed[number] for number in range(len(stamps))]


def _held_back(placed: Mapping[int, Moment], received: datetime) -> dict[int, Moment]:
    """Those of *placed*, newest first, that were worked out to be after *received*: no later than
    that, and a second apart to keep the order, as far as there is room above the next."""
    now = received.replace(microsecond=0)
    instants = [moment.instant for moment in placed.values() if moment.instant is not None]
    floor = max((instant for instant in instants if instant <= now), default=None)
    ahead = [number for number, moment in placed.items() if _is_ahead(moment, now)]
    held = [now - count * _SECOND for count in range(len(ahead))]
    return {
        number: Moment(max(floor or instant, instant), inferred=True)
        for number, instant in zip(ahead, held, strict=True)
    }


def _is_ahead(moment: Moment, now: datetime) -> bool:
    return moment.inferred and moment.instant is not None and moment.instant > now


def _placed(stamp: Stamp, frame: Frame, limit: datetime, count: int) -> Moment:
    if stamp.instant is not None:
        return Moment(stamp.instant)
    if stamp.hour is None and stamp.ago is not None:
        return Moment(_minute(frame.received) - stamp.ago, inferred=True)
    zone = zone_of(stamp.zone, frame.zone)
    if stamp.hour is None:
        return _of_day(stamp, frame, count)
    clock = time(stamp.hour, stamp.minute, stamp.second)
    if stamp.day is not None:
        return Moment(_dated(stamp.day, clock, zone, frame.received))
    if stamp.back is not None:
        today = frame.received.astimezone(zone).date()
        return Moment(_instants(today - stamp.back * _DAY, clock, zone)[0], inferred=True)
    return Moment(_latest(clock, zone, limit), inferred=True)


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _of_day(stamp: Stamp, frame: Frame, count: int) -> Moment:
    """A date without a time: the first moments of that day, a second apart to keep the order."""
    if stamp.day is None:
        return Moment()
    start = _dated(stamp.day, time.min, frame.zone, frame.received)
    if start is None:
        return Moment()
    return Moment(start + timedelta(seconds=max(0, 3600 - count)), inferred=True)


def _latest(clock: time, zone: tzinfo, limit: datetime) -> datetime:
    """The last instant not after *limit* at which clocks in *zone* show *clock*."""
    day = limit.astimezone(zone).date()
    for back in range(3):
        for instant in _instants(day - back * _DAY, clock, zone):
            if instant <= limit:
                return instant
    return _instants(day - _DAY, clock, zone)[-1]


def _instants(day: date, clock: time, zone: tzinfo) -> list[datetime]:
    """When clocks in *zone* show *clock* on *day*, latest first: twice where summer time ends.

    A time that summer time skips is taken as it would have been without the change.
    """
    early, late = (
        datetime.combine(day, clock, tzinfo=zone).replace(fold=fold).astimezone(UTC)
        for fold in (0, 1)
    )
    return [late, early] if late > early else [early]


def _dated(day: Day, clock: time, zone: tzinfo, received: datetime) -> datetime | None:
    """The instant of *clock* on *day*; without a year it is the last such day not in the future."""
    this_year = received.astimezone(zone).year
    years = (day.year,) if day.year else (this_year, this_year - 1)
    instants = []
    for year in years:
        try:
            printed = date(year, day.month, day.day)
        except ValueError:
            continue
        instants.append(_instants(printed, clock, zone)[0])
    past = [instant for instant in instants if instant <= received + _DAY]
    return next(iter(past or instants), None)


def changed_at(stamp: Stamp, published: Moment, frame: Frame) -> Moment:
    """When an entry was changed; nothing where that is not after it was published."""
    if not stamp.is_clock or published.instant is None:
        return Moment()
    if stamp.day is not None or stamp.instant is not None:
        moment = _placed(stamp, frame, frame.received, 0)
    else:
        clock = time(stamp.hour or 0, stamp.minute, stamp.second)
        limit = min(published.instant + _DAY, frame.received + _AHEAD)
        changed = _latest(clock, zone_of(stamp.zone, frame.zone), limit)
        moment = Moment(min(changed, frame.received.replace(microsecond=0)), inferred=True)
    is_later = moment.instant is not None and moment.instant > published.instant
    return moment if is_later else Moment()
