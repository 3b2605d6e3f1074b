"""Where lanes get their events: the view, with what is recent kept at hand for all of them."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from slugline.log import TopicPartition
from slugline.topics import ENTRIES
from slugline.view.entries import EntriesView, EventRef, StoredEvent

#: Events that a lane looks at in one step.
STEP = 100
#: Recent events kept at hand in each partition, and bodies over all.
RECENT = 512
BODIES = 2_048

Render = Callable[[StoredEvent], bytes | None]


@cache
def _place(partition: int) -> TopicPartition:
    return TopicPartition(ENTRIES, partition)


@dataclass
class _Recent:
    """The newest events of a partition, complete from offset *start* on."""

    start: int
    refs: list[EventRef] = field(default_factory=list)

    def add(self, ref: EventRef) -> None:
        if self.refs and ref.offset <= self.refs[-1].offset:  # the view is being rebuilt
            self.refs, self.start = [], ref.offset
        self.refs.append(ref)
        if len(self.refs) > 2 * RECENT:
            self.start = self.refs[RECENT].offset
            del self.refs[:RECENT]


class EventSource:
    """Events of the log in order, and their bodies, rendered once for all lanes."""

    def __init__(
        self,
        entries: EntriesView,
        positions: Callable[[], Mapping[TopicPartition, int]],
        render: Render,
    ) -> None:
        self._entries = entries
        self._positions = positions
        self._render = render
        self._recent: dict[int, _Recent] = {}
        self._bodies: dict[tuple[int, int], bytes | None] = {}
        self._withdrawals = entries.withdrawals
        entries.listen(self._arrived)

    def end(self, partition: int) -> int:
        """How far the view has read *partition*."""
        return self._positions().get(_place(partition), 0)

    def first_offset(self, partition: int) -> int:
        """Where the first event of *partition* may stand."""
        return self._entries.first_offset(partition)

    def from_offset(self, partition: int, offset: int) -> Sequence[EventRef]:
        """The next events at or after *offset*, at most STEP; none where the view has no more."""
        recent = self._recent.get(partition)
        if recent is not None and offset >= recent.start:
            index = bisect_left(recent.refs, offset, key=lambda ref: ref.offset)
            return recent.refs[index : index + STEP]
        return self._entries.events_from(partition, offset, STEP)

    def between(self, partition: int, start: int, stop: int) -> Sequence[EventRef]:
        """The events at offsets in [*start*, *stop*)."""
        if start >= stop:
            return ()
        refs = self._entries.events_from(partition, start, stop - start)
        return [ref for ref in refs if ref.offset < stop]

    def body(self, ref: EventRef) -> bytes | None:
        """What to send for the event at *ref*; None: a withdrawal superseded it, or it was purged.

        Asked before every attempt, so that nothing withdrawn is sent once the view has read that.
        """
        if self._withdrawals != self._entries.withdrawals:  # some text was taken back: forget all
            self._withdrawals = self._entries.withdrawals
            self._bodies.clear()
        place = (ref.partition, ref.offset)
        try:
            return self._bodies[place]
        except KeyError:
            stored = self._entries.event_at(*place)
        if len(self._bodies) >= BODIES:
            self._bodies.clear()
        body = self._bodies[place] = self._render(stored) if stored else None
        return body

    def superseded(self, ref: EventRef) -> bool:
        """Whether a later event of the same subject exists."""
        stored = self._entries.event_at(ref.partition, ref.offset)
        return stored is None or stored.superseded

    def sequence(self, ref: EventRef) -> int:
        """The sequence of the event at *ref*."""
        return self._entries.sequence(ref.partition, ref.offset)

    def _arrived(self, refs: Sequence[EventRef]) -> None:
        for ref in refs:
            if ref.partition not in self._recent:
                self._recent[ref.partition] = _Recent(ref.offset)
            self._recent[ref.partition].add(ref)
