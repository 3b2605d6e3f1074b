"""Where an entry of a snapshot stands among those that are known already."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime


class Neighbours:
    """The entries of a snapshot that were found and stand in the order of their times.

    *found* says which known entry each of them is; *published* when each known one was published.
    Entries that moved (pinned to the top) are nobody's neighbours.
    """

    def __init__(self, found: Mapping[int, int], published: Sequence[datetime]) -> None:
        steps = sorted((index, published[position]) for index, position in found.items())
        kept = _falling([instant.timestamp() for _, instant in steps])
        self._indexes = [steps[number][0] for number in kept]
        self._instants = [steps[number][1] for number in kept]

    def hold(self, index: int, instant: datetime) -> bool:
        """Whether an entry of *instant* may stand at *index*, between its neighbours."""
        place = bisect_left(self._indexes, index)
        newer = self._instants[place - 1] if place else None
        older = self._instants[place] if place < len(self._instants) else None
        return (newer is None or instant <= newer) and (older is None or instant >= older)


def _falling(values: Sequence[float]) -> list[int]:
    """The places of a longest subsequence of *values* that never rises (patience sorting)."""
    tops: list[float] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, value in enumerate(values):
        pile = bisect_right(tops, -value)
        before.append(places[pile - 1] if pile else None)
        tops[pile : pile + 1] = [-value]
        places[pile : pile + 1] = [place]
    chain: list[int] = []
    step = places[-1] if places else None
    while step is not None:
        chain.append(step)
        step = before[step]
    return chain[::-1]
