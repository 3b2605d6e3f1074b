"""Places: where the entries of a log stand in its copy, and what positions become there."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Positions = Mapping[int, int]


class Place(NamedTuple):
    """Partition and offset of a record in the copy."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The records of one source partition that went into one partition of the copy, in order."""

    before: "array[int]" = field(default_factory=lambda: array("q"))
    after: "array[int]" = field(default_factory=lambda: array("q"))


class Places:
    """Where each copied record of the entries stands. Takes 16 bytes for each.

    *same* says that the copy has the partitions of the source: then positions are exact. Else a
    partition of the copy holds records of several, and one position there stands for several here.
    """

    def __init__(self, partitions: int, *, same: bool) -> None:
        self.same = same
        self._ends = [0] * partitions
        self._pairs: dict[int, dict[int, _Pairs]] = {p: {} for p in range(partitions)}

    def add(self, partition: int, offset: int, place: Place) -> None:
        """The record at *offset* of *partition* of the source stands at *place*; told in order."""
        pairs = self._pairs[place.partition].setdefault(partition, _Pairs())
        pairs.before.append(offset)
        pairs.after.append(place.offset)

    def end_at(self, ends: Positions) -> None:
        """The copy's partitions end at *ends*: all records have been told."""
        self._ends = [ends.get(p, 0) for p in range(len(self._ends))]

    def at(self, partition: int, offset: int) -> Place | None:
        """Where the record at *offset* of *partition* stands; None where it was not copied."""
        for p, pairs, index in self._found(partition, offset):
            if index < len(pairs.before) and pairs.before[index] == offset:
                return Place(p, pairs.after[index])
        return None

    def near(self, partition: int, offset: int) -> Place:
        """Where that record stands, else the next one of its partition, else an end."""
        following = [
            (pairs.before[index], Place(p, pairs.after[index]))
            for p, pairs, index in self._found(partition, offset)
            if index < len(pairs.before)
        ]
        last = partition % len(self._ends)
        return min(following)[1] if following else Place(last, self._ends[last])

    def earliest(self, positions: Positions) -> dict[int, int]:
        """The positions in the copy from which on nothing is missing that lies at or after *positions*.

        A partition that *positions* lacks counts from its beginning.
        """
        return {
            p: min(
                (
                    pairs.after[index]
                    for source, pairs in self._pairs[p].items()
                    if (index := _index(pairs, positions.get(source, 0))) < len(pairs.after)
                ),
                default=end,
            )
            for p, end in enumerate(self._ends)
        }

    def latest(self, positions: Positions) -> dict[int, int]:
        """The positions in the copy from which on nothing lies before *positions*.

        Where they are beyond `earliest`, what is between lies partly before and partly after.
        """
        return {
            p: max(
                lowest,
                *(
                    pairs.after[index - 1] + 1
                    for source, pairs in self._pairs[p].items()
                    if (index := _index(pairs, positions.get(source, 0)))
                ),
                lowest,
            )
            for p, lowest in self.earliest(positions).items()
        }

    def _found(self, partition: int, offset: int) -> Iterator[tuple[int, _Pairs, int]]:
        for p, by_source in self._pairs.items():
            pairs = by_source.get(partition)
            if pairs is not None:
                yield p, pairs, _index(pairs, offset)


def _index(pairs: _Pairs, offset: int) -> int:
    """Which of *pairs* is the first at or after *offset* of the source."""
    return bisect_left(pairs.before, offset)
