"""Which entry of a blog each entry of a snapshot is, so that an edit is an edit and not a new entry.

Native ids decide where a document has them. Else, in order of the document: by folded heading, then
by a similar heading, then by a similar text; the last two only between the neighbours that are
already known, so that nothing is matched across the order. What matches nothing is new.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher

from slugline.entry import Entry, EntryId
from slugline_ingest.identity import distance, fold, heading_hash, heading_of, simhash
from slugline_ingest.snapshot import SnapshotEntry

#: Two headings are one with a typo corrected from here on (ratio of difflib).
SIMILAR_HEADING = 0.75
#: With the same minute less will do.
SIMILAR_AT_SAME_TIME = 0.5
#: Two texts are one, edited, from here on.
SIMILAR_TEXT = 0.6
#: Bits of the similarity hash by which a withdrawn entry's text is known again.
SIMILAR_BITS = 12
#: Times of day that differ by more than this, in minutes, speak of two entries.
SAME_TIME = 5
#: How many known entries are compared with one that is not found by its heading.
CANDIDATES = 30
#: How much of two texts is compared, in characters.
COMPARED = 600


@dataclass(frozen=True, slots=True)
class _Marks:
    """What an entry is compared by."""

    heading: str
    text: str
    time: int | None


@dataclass
class _Matching:
    entries: Sequence[_Marks]
    known: Sequence[_Marks]
    found: dict[int, int] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)

    def take(self, index: int, position: int) -> None:
        self.found[index] = position
        self.taken.add(position)


def match(entries: Sequence[SnapshotEntry], known: Sequence[Entry]) -> list[EntryId | None]:
    """For each of *entries* the id of the one of *known* that it is, or None where it is new.

    Both newest first. A withdrawn entry is known again by the marks that were kept of it.
    """
    ids = {entry.id: entry for entry in known}
    native = [e.id if e.id is not None and e.id in ids else None for e in entries]
    named = {name for name in native if name}
    open_entries = [i for i, entry in enumerate(entries) if entry.id is None]
    live = [entry for entry in known if not entry.withdrawn and entry.id not in named]
    gone = [entry for entry in known if entry.withdrawn and entry.id not in named]
    marks = [
        _marks_of(entries[i].title, entries[i].body_text, entries[i].published)
        for i in open_entries
    ]
    matching = _Matching(marks, [_marks_of(e.title, e.body_text, e.published) for e in live])
    _by_heading(matching)
    _by_likeness(matching)
    result: list[EntryId | None] = [EntryId(name) if name else None for name in native]
    withdrawn = _Withdrawn(gone)
    for number, index in enumerate(open_entries):
        position = matching.found.get(number)
        result[index] = live[position].id if position is not None else withdrawn.find(marks[number])
    return result


def _marks_of(title: str | None, body_text: str, published: datetime | None) -> _Marks:
    minutes = published.hour * 60 + published.minute if published else None
    return _Marks(heading_of(title, body_text), fold(body_text[:COMPARED]), minutes)


def _by_heading(matching: _Matching) -> None:
    positions: dict[str, list[int]] = defaultdict(list)
    for position, marks in enumerate(matching.known):
        positions[marks.heading].append(position)
    wanted: dict[str, list[int]] = defaultdict(list)
    for index, marks in enumerate(matching.entries):
        if marks.heading and marks.heading in positions:
            wanted[marks.heading].append(index)
    for heading, indexes in wanted.items():
        _pair(matching, indexes, positions[heading])


def _pair(matching: _Matching, indexes: list[int], positions: list[int]) -> None:
    """Pair entries of one heading: those with the same text first, the rest from the oldest on."""
    texts = {matching.known[p].text: p for p in positions}
    for index in indexes:
        position = texts.get(matching.entries[index].text)
        if (
            position is not None
            and position not in matching.taken
            and _same_time(matching, index, position)
        ):
            matching.take(index, position)
    for index in reversed([i for i in indexes if i not in matching.found]):
        free = [p for p in reversed(positions) if p not in matching.taken]
        fitting = [p for p in free[:CANDIDATES] if _same_time(matching, index, p)]
        if fitting:
            matching.take(index, fitting[0])


def _same_time(matching: _Matching, index: int, position: int) -> bool:
    return _close(matching.entries[index].time, matching.known[position].time, SAME_TIME)


def _close(one: int | None, other: int | None, minutes: int) -> bool:
    """Whether two times of day may be the same; the day is often inferred and says nothing."""
    if one is None or other is None:
        return True
    apart = abs(one - other)
    return min(apart, 1440 - apart) <= minutes


def _by_likeness(matching: _Matching) -> None:
    bounds = _bounds(matching)
    for index, (low, high) in bounds.items():
        free = [p for p in range(low, high) if p not in matching.taken][:CANDIDATES]
        scored = [(_likeness(matching.entries[index], matching.known[p]), -p) for p in free]
        score, position = max(scored, default=(0.0, 0))
        if score > 0:
            matching.take(index, -position)


def _bounds(matching: _Matching) -> dict[int, tuple[int, int]]:
    """For each entry that is not found yet, the stretch of known ones between its neighbours."""
    count = len(matching.entries)
    low = [0] * count
    for index in range(1, count):
        before = matching.found.get(index - 1)
        low[index] = low[index - 1] if before is None else before + 1
    bounds: dict[int, tuple[int, int]] = {}
    high = len(matching.known)
    for index in reversed(range(count)):
        if index in matching.found:
            high = matching.found[index]
        else:
            bounds[index] = (min(low[index], high), high)
    return dict(sorted(bounds.items()))


def _likeness(entry: _Marks, known: _Marks) -> float:
    """How sure it is that *entry* is *known*, edited; 0 where it is not."""
    if not _close(entry.time, known.time, SAME_TIME):
        return 0.0
    timed = entry.time is not None and known.time is not None
    enough = SIMILAR_AT_SAME_TIME if timed else SIMILAR_HEADING
    heading = _ratio(entry.heading, known.heading, enough)
    if heading >= enough:
        return 1.0 + heading
    text = _ratio(entry.text, known.text, SIMILAR_TEXT) if len(entry.text) > 40 else 0.0
    return text if text >= SIMILAR_TEXT else 0.0


def _ratio(one: str, other: str, enough: float) -> float:
    if not one or not other:
        return 0.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < enough or matcher.quick_ratio() < enough:
        return 0.0
    return matcher.ratio()


class _Withdrawn:
    """Knows withdrawn entries again by the hashes that were kept of them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._headings: dict[str, list[Entry]] = defaultdict(list)
        self._hashes = [
            (e.withdrawn.simhash, e) for e in entries if e.withdrawn and e.withdrawn.simhash
        ]
        for entry in entries:
            for heading in entry.withdrawn.headings if entry.withdrawn else ():
                self._headings[heading].append(entry)

    def find(self, marks: _Marks) -> EntryId | None:
        """The withdrawn entry that *marks* are of, if any."""
        for entry in self._headings.get(heading_hash(marks.heading), ()):
            if (
                _close(marks.time, _minutes(entry.published), SAME_TIME)
                or "published" in entry.inferred
            ):
                return entry.id
        if self._hashes and len(marks.text) > 40:
            mine = simhash(marks.text)
            for kept, entry in self._hashes:
                if distance(mine, kept) <= SIMILAR_BITS:
                    return entry.id
        return None


def _minutes(instant: datetime) -> int:
    return instant.hour * 60 + instant.minute


def number_equals(headings: Sequence[str]) -> list[int]:
    """For each heading which of its equals it is, counted from the last (oldest): 0, 1, …"""
    seen: Counter[str] = Counter()
    numbers = []
    for heading in reversed(headings):
        numbers.append(seen[heading])
        seen[heading] += 1
    return numbers[::-1]
