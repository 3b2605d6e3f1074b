"""What is kept of an entry that was withdrawn, and how it is known again without its text."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from slugline.entry import Entry, EntryId, Withdrawal
from slugline_ingest.identity import distance, heading_hash
from slugline_ingest.likeness import SAME_TIME, Marks, marks_of, minutes_apart
from slugline_ingest.neighbours import Neighbours

#: Bits by which the similarity hash of a withdrawn entry may differ: anywhere, and in its place.
ANYWHERE, IN_PLACE = 14, 20


def withdrawn(entry: Entry, by: str, at: datetime) -> Entry:
    """*entry* taken back: id and times stay, and hashes by which it is known again."""
    kept = entry.withdrawn or Withdrawal(by=by, at=at)
    marks = marks_of(entry)
    headings = (*kept.headings, heading_hash(marks.heading)) if marks.heading else kept.headings
    return Entry(
        blog_id=entry.blog_id,
        id=entry.id,
        published=entry.published,
        updated=at,
        inferred=entry.inferred,
        revision=entry.revision + 1,
        confidence=entry.confidence,
        withdrawn=Withdrawal(
            by=by,
            at=at,
            headings=tuple(dict.fromkeys(headings)),
            simhash=marks.likeness if marks.heading else kept.simhash,
        ),
    )


class Withdrawn:
    """Knows withdrawn entries again by the marks that were kept of them.

    Whoever brings text back that was taken back does more harm than whoever swallows an entry that
    looks just like it: what matches heading and text is that entry, however often it is shown.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_heading: dict[str, list[Entry]] = defaultdict(list)
        self._shown: set[EntryId] = set()
        for entry in entries:
            for heading in entry.withdrawn.headings if entry.withdrawn else ():
                self._by_heading[heading].append(entry)

    def with_heading_and_text(self, _: int, marks: Marks) -> EntryId | None:
        """The withdrawn entry that has this heading and this text."""
        for entry in self._under(marks):
            if _bits(marks, entry) <= ANYWHERE and _at_its_time(marks, entry):
                return self._found(entry)
        return None

    def with_heading(self, index: int, marks: Marks, neighbours: Neighbours) -> EntryId | None:
        """The withdrawn entry that has this heading, where it stands in its place or is alike."""
        for entry in self._under(marks):
            free = entry.id not in self._shown and _at_its_time(marks, entry)
            if free and (
                neighbours.hold(index, entry.published) or _bits(marks, entry) <= IN_PLACE
            ):
                return self._found(entry)
        return None

    def alike(self, index: int, marks: Marks, neighbours: Neighbours) -> EntryId | None:
        """The withdrawn entry that reads like this under another heading."""
        for entry in self._entries:
            bits = _bits(marks, entry)
            if bits > IN_PLACE or not _at_its_time(marks, entry):
                continue
            telling = bits <= ANYWHERE and marks.tells
            if telling or neighbours.hold(index, entry.published):
                return self._found(entry)
        return None

    def _under(self, marks: Marks) -> Sequence[Entry]:
        return self._by_heading.get(heading_hash(marks.heading), ()) if self._entries else ()

    def _found(self, entry: Entry) -> EntryId:
        self._shown.add(entry.id)
        return entry.id


def _at_its_time(marks: Marks, entry: Entry) -> bool:
    """Whether both may be of one time; an inferred one says little."""
    minutes = entry.published.hour * 60 + entry.published.minute
    return minutes_apart(marks.time, minutes) <= SAME_TIME or "published" in entry.inferred


def _bits(marks: Marks, entry: Entry) -> int:
    kept = entry.withdrawn.simhash if entry.withdrawn else None
    return 64 if kept is None else distance(marks.likeness, kept)
