"""Which entry of a blog each entry of a snapshot is, so that an edit is an edit and not a new entry.

Native ids decide where a document has them. Else: by heading and text, by the marks that are kept
of what was withdrawn, by heading alone, by likeness (`likeness`); the last two between the neighbours
that are known already. What matches nothing is new. Takes time that grows with the number of
entries, not with its square.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from slugline.entry import Entry, EntryId
from slugline_ingest.likeness import (
    SAME_TIME,
    Marks,
    Pair,
    closest_pairs,
    dice,
    likely_pairs,
    marks_of,
    minutes_apart,
)
from slugline_ingest.neighbours import Neighbours
from slugline_ingest.snapshot import SnapshotEntry
from slugline_ingest.withdrawals import Withdrawn

#: One heading over like texts within this, in minutes: "2 hours ago" is no sharper.
SAME_HOUR = 60
#: Texts under one heading are one, edited, from here on.
SIMILAR_UNDER_HEADING = 0.5


@dataclass
class _Matching:
    """The entries of a snapshot and the standing ones of the blog, both newest first, and their pairs."""

    entries: Sequence[Marks]
    known: Sequence[Marks]
    found: dict[int, int] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    #: Entries of the snapshot that the blog has withdrawn.
    gone: dict[int, EntryId] = field(default_factory=dict)

    def take(self, pairs: Iterable[Pair]) -> None:
        """Take *pairs*, best first, as far as neither side is taken yet."""
        for index, position in pairs:
            if index not in self.found and position not in self.taken:
                self.found[index] = position
                self.taken.add(position)

    def open(self) -> list[int]:
        return [i for i in range(len(self.entries)) if i not in self.found and i not in self.gone]

    def free(self) -> list[int]:
        return [p for p in range(len(self.known)) if p not in self.taken]

    def close(self, index: int, position: int, minutes: int) -> bool:
        apart = minutes_apart(self.entries[index].time, self.known[position].time)
        return apart <= minutes

    def neighbours(self) -> Neighbours:
        return Neighbours(self.found, [m.published for m in self.known if m.published])


def match(entries: Sequence[SnapshotEntry], known: Sequence[Entry]) -> list[EntryId | None]:
    """For each of *entries* the id of the one of *known* that it is, or None where it is new.

    Both newest first. A withdrawn entry is known again by the marks that were kept of it.
    """
    ids = {entry.id for entry in known}
    result = [EntryId(e.id) if e.id is not None and e.id in ids else None for e in entries]
    nameless = [index for index, entry in enumerate(entries) if entry.id is None]
    rest = [entry for entry in known if entry.id not in set(result)]
    live = [entry for entry in rest if not entry.withdrawn]
    matching = _Matching([marks_of(entries[i]) for i in nameless], [marks_of(e) for e in live])
    _match(matching, Withdrawn([entry for entry in rest if entry.withdrawn]))
    for number, index in enumerate(nameless):
        position = matching.found.get(number)
        result[index] = matching.gone.get(number) if position is None else live[position].id
    return result


def _match(matching: _Matching, withdrawn: Withdrawn) -> None:
    _by_heading_and_text(matching)
    _by_withdrawal(matching, withdrawn.with_heading_and_text)
    _by_heading(matching)
    neighbours = matching.neighbours()
    _by_withdrawal(matching, lambda i, marks: withdrawn.with_heading(i, marks, neighbours))
    _by_withdrawal(matching, lambda i, marks: withdrawn.alike(i, marks, neighbours))
    _by_likeness(matching, neighbours)


def _by_heading_and_text(matching: _Matching) -> None:
    def same(index: int, position: int) -> bool:
        return matching.entries[index].tells or matching.close(index, position, SAME_TIME)

    _by_key(matching, lambda marks: f"{marks.heading}\n{marks.text}", same)


def _by_heading(matching: _Matching) -> None:
    neighbours = matching.neighbours()
    count = Counter(matching.entries[i].heading for i in matching.open())

    def same(index: int, position: int) -> bool:
        entry, known = matching.entries[index], matching.known[position]
        if matching.close(index, position, SAME_TIME):
            alone = entry.published is not None and count[entry.heading] == 1
            if alone or _in_place(neighbours, index, known):
                return True
        alike = dice(entry.text_parts, known.text_parts) >= SIMILAR_UNDER_HEADING
        return alike and matching.close(index, position, SAME_HOUR)

    _by_key(matching, lambda marks: marks.heading, same)


def _by_likeness(matching: _Matching, neighbours: Neighbours) -> None:
    def may(index: int, position: int) -> bool:
        close = matching.close(index, position, SAME_TIME)
        return close and _in_place(neighbours, index, matching.known[position])

    entries = {index: matching.entries[index] for index in matching.open()}
    known = {position: matching.known[position] for position in matching.free()}
    matching.take(likely_pairs(entries, known, may))


def _in_place(neighbours: Neighbours, index: int, known: Marks) -> bool:
    return known.published is None or neighbours.hold(index, known.published)


def _by_key(
    matching: _Matching, key: Callable[[Marks], str], same: Callable[[int, int], bool]
) -> None:
    """Pair those of one key for which *same* holds, those closest in time first."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position in matching.free():
        positions[key(matching.known[position])].append(position)
    wanted: dict[str, list[int]] = defaultdict(list)
    for index in matching.open():
        if matching.entries[index].heading:
            wanted[key(matching.entries[index])].append(index)
    for name, indexes in wanted.items():
        pairs = closest_pairs(indexes, positions[name], matching.entries, matching.known)
        matching.take(pair for pair in pairs if same(*pair))


def _by_withdrawal(matching: _Matching, find: Callable[[int, Marks], EntryId | None]) -> None:
    for index in matching.open():
        found = find(index, matching.entries[index])
        if found:
            matching.gone[index] = found


def number_equals(headings: Sequence[str]) -> list[int]:
    """For each heading which of its equals it is, counted from the last (oldest): 0, 1, …"""
    seen: Counter[str] = Counter()
    numbers = []
    for heading in reversed(headings):
        numbers.append(seen[heading])
        seen[heading] += 1
    return numbers[::-1]
