"""What ingest promises: what it acknowledged stands in the log, once, and stays."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from slugline.entry import Entry
from slugline.events import Event, EventType, decode, event_id
from slugline.log import StoredRecord
from slugline.topics import ENTRIES, is_base
from slugline_ingest.writer import Written
from tests.simulation.broker import Broker
from tests.simulation.script import Shape


@dataclass(frozen=True)
class Write:
    """One acknowledged edit: *text* is None where it withdrew. Times are in seconds of the world."""

    blog: str
    entry: str
    text: str | None
    asked: float
    answered: float
    written: Written


def broken_writes(writes: Sequence[Write], shape: Shape, broker: Broker) -> Iterator[str]:
    """What was acknowledged and does not hold, and what stands in the log though it must not."""
    events = _events(broker.journal)
    yield from _purged(broker.journal)
    yield from _vanished(broker)
    for key, chain in events.items():
        yield from _unchained(key, chain)
        yield from _repeated(key, chain)
    yield from _unacknowledged(writes, events)
    yield from _not_the_last_word(writes, events, shape)
    yield from _in_whose_order(broker.journal, shape)


def _events(journal: Sequence[StoredRecord]) -> dict[bytes, list[Event]]:
    """The events of each subject, in the order of the log; copies of any of them left out."""
    found: dict[bytes, list[Event]] = defaultdict(list)
    for record in journal:
        if record.topic == ENTRIES and record.value is not None and not is_base(record.key):
            event = decode(record.headers, record.value)
            if all(other.id != event.id for other in found[record.key]):
                found[record.key].append(event)
    return found


def _purged(journal: Sequence[StoredRecord]) -> Iterator[str]:
    for record in journal:
        if record.topic == ENTRIES and record.value is None:
            yield f"{record.key!r} was purged, which only an operator may do"


def _vanished(broker: Broker) -> Iterator[str]:
    """Each key's newest record is in the log for ever."""
    newest = {r.key: r for r in broker.journal if r.topic == ENTRIES}
    kept = {r.key: r for p in broker.of([ENTRIES]).values() for r in p.records}
    for key, record in newest.items():
        if kept.get(key) != record:
            yield f"the newest record of {key!r} is gone from the log"


def _unchained(key: bytes, chain: Sequence[Event]) -> Iterator[str]:
    """An event's id follows from what it says and from an event of its entry before it."""
    before: list[str | None] = [None]
    for event in chain:
        if all(event.id != event_id(event.subject, previous) for previous in before):
            yield f"{key!r} has an event whose id follows from nothing: {event.id[:8]}"
        before.append(event.id)


def _repeated(key: bytes, chain: Sequence[Event]) -> Iterator[str]:
    for one, other in pairwise(chain):
        if _says(one) == _says(other):
            yield f"{key!r} says the same in two events: {one.id[:8]} and {other.id[:8]}"


def _says(event: Event) -> object:
    subject = event.subject
    if isinstance(subject, Entry):
        return "withdrawn" if subject.withdrawn else (subject.title, subject.body_text)
    return subject


def _unacknowledged(writes: Sequence[Write], events: dict[bytes, list[Event]]) -> Iterator[str]:
    for write in writes:
        said = {_text(event) for event in events.get(_key(write), ())}
        if write.text not in said:
            yield f"acknowledged, but not in the log: {write.text!r} of {write.blog}/{write.entry}"


def _not_the_last_word(
    writes: Sequence[Write], events: dict[bytes, list[Event]], shape: Shape
) -> Iterator[str]:
    """The last acknowledged edit of an entry is what it says; a withdrawal always is."""
    last = {_key(write): write for write in writes}
    for key, write in last.items():
        says = _text(events[key][-1]) if events.get(key) else "nothing"
        # A write that was given up may land after the one that took its place.
        excused = write.text is not None and (shape.lands_late or shape.freezes)
        if says != write.text and not excused:
            yield f"{key!r} says {says!r}, though {write.text!r} was acknowledged last"


def _text(event: Event) -> str | None:
    subject = event.subject
    withdrawn = event.type is EventType.ENTRY_DELETED
    return None if withdrawn or not isinstance(subject, Entry) else subject.body_text


def _key(write: Write) -> bytes:
    return f"{write.blog}|{write.entry}".encode()


def _in_whose_order(journal: Sequence[StoredRecord], shape: Shape) -> Iterator[str]:
    """With one writer, whose writes land in time: times never go back, and events name the one before."""
    writers = shape.ingests or shape.replicas
    if writers > 1 or shape.lands_late or shape.freezes or shape.kills or shape.nights:
        return
    newest: dict[str, Event] = {}
    for record in journal:
        if record.topic != ENTRIES or record.value is None or is_base(record.key):
            continue
        event = decode(record.headers, record.value)
        blog = record.key.decode().partition("|")[0]
        before = newest.get(blog)
        if before is not None and before.id != event.id:
            if event.time < before.time:
                yield f"the time of {blog} went back by {before.time - event.time}"
            if event.previous != before.id:
                yield f"an event of {blog} does not name the one before it: {event.id[:8]}"
        newest[blog] = event
