"""Times for entries that no document gives one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def place(published: Sequence[datetime | None], now: datetime) -> list[datetime]:
    """Times for all, newest first: those given stay, the missing ones are placed between neighbours.

    At the top it is *now*, then a second earlier for each; below the last one that is known, a
    second earlier for each.
    """
    result: list[datetime] = []
    start = 0
    while start < len(published):
        given = published[start]
        if given is not None:
            result.append(given)
            start += 1
            continue
        stop = start
        while stop < len(published) and published[stop] is None:
            stop += 1
        newer = result[-1] if result else None
        older = published[stop] if stop < len(published) else None
        result += _run(stop - start, newer, older, now)
        start = stop
    return result


def _run(
    count: int, newer: datetime | None, older: datetime | None, now: datetime
) -> list[datetime]:
    top = newer - SECOND if newer else now
    stepped = [top - n * SECOND for n in range(count)]
    if older is None or (newer is None and stepped[-1] > older):
        return stepped
    upper = newer or max(now, older + SECOND)
    step = (upper - older) / (count + 1)
    return [upper - step * (n + 1) for n in range(count)]
