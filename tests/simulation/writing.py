"""What ingest promises: what it acknowledged stands in the log, once, and stays."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise

from slugline.entry import Entry
from slugline.events import Event, EventType, content_hash, decode
from slugline.log import StoredRecord, TopicPartition
from slugline.topics import ENTRIES, is_base
from slugline.view.entry_tables import REVISIONS_KEPT
from slugline_ingest.undone import YOUNG
from slugline_ingest.writer import Written
from tests.simulation.broker import Broker, Client
from tests.simulation.script import Shape

#: Writers may not know of each other for so long, in seconds: a publish, frozen or cut off meanwhile.
RACE = 120.0
#: So long after a write something else may still be written by processes that are ending.
A_MOMENT = timedelta(seconds=10)


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
        yield from _unchained(key, chain, shape)
        yield from _repeated(key, chain)
    yield from _unacknowledged(writes, events)
    yield from _not_the_last_word(writes, events, shape, broker.journal)
    yield from _in_whose_order(broker, shape)


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


def _unchained(key: bytes, chain: Sequence[Event], shape: Shape) -> Iterator[str]:
    """An event's id follows from what it says and from an event of its entry before it."""
    for number, event in enumerate(chain):
        # Writers that do not see each other may follow from the same event, or from none.
        apart = shape.lands_late or shape.freezes or (shape.ingests or shape.replicas) > 1
        before: list[str | None] = [other.id for other in chain[:number]] or [None]
        known = [*before, None] if apart else before[-1:]
        if all(event.id != _id_after(key, event, previous) for previous in known):
            yield f"{key!r} has an event whose id does not follow: {event.id[:8]}"


def _id_after(key: bytes, event: Event, previous: str | None) -> str:
    """The id by design 5: of the key, the id before it, and what it says."""
    chained = b"\0".join((key, (previous or "").encode(), content_hash(event.subject)))
    return sha256(chained).hexdigest()


def _repeated(key: bytes, chain: Sequence[Event]) -> Iterator[str]:
    """Events that change nothing. Writers that do not see each other may say the same, though."""
    for one, other in pairwise(chain):
        if _says(one) == _says(other) and other.id == _id_after(key, other, one.id):
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
    writes: Sequence[Write],
    events: dict[bytes, list[Event]],
    shape: Shape,
    journal: Sequence[StoredRecord],
) -> Iterator[str]:
    """The last acknowledged edit of an entry is what it says; a withdrawal always is."""
    last = {_key(write): write for write in writes}
    for key, write in last.items():
        says = _text(events[key][-1]) if events.get(key) else "nothing"
        # A write that was given up may land after the one that took its place.
        excused = write.text is not None and (shape.lands_late or shape.freezes)
        if says != write.text and not excused and not _nobody_there(key, journal):
            yield f"{key!r} says {says!r}, though {write.text!r} was acknowledged last"


def _nobody_there(key: bytes, journal: Sequence[StoredRecord]) -> bool:
    """Whether nobody ran for longer than withdrawals are young after *key*'s last record."""
    last = [r for r in journal if r.topic == ENTRIES and r.key == key][-1].written_at
    after = [r.written_at for r in journal if r.written_at > last + timedelta(seconds=10)]
    return bool(after) and min(after) > last + YOUNG


def _text(event: Event) -> str | None:
    subject = event.subject
    withdrawn = event.type is EventType.ENTRY_DELETED
    return None if withdrawn or not isinstance(subject, Entry) else subject.body_text


def _key(write: Write) -> bytes:
    return f"{write.blog}|{write.entry}".encode()


def _in_whose_order(broker: Broker, shape: Shape) -> Iterator[str]:
    """Times never go back where the writer knew of the event before; and it does, but for races."""
    apart = shape.lands_late or shape.freezes or (shape.ingests or shape.replicas) > 1
    newest: dict[str, tuple[Event, Client | None]] = {}
    #: The earliest time that a record of an event says: the copy of one counts where it is the newest.
    times: dict[str, datetime] = {}
    for record in broker.journal:
        if record.topic != ENTRIES or record.value is None or is_base(record.key):
            continue
        event = decode(record.headers, record.value)
        known = event.id in times
        times[event.id] = min(event.time, times.get(event.id, event.time))
        if known:
            continue
        blog = record.key.decode().partition("|")[0]
        by = broker.writers.get(TopicPartition(ENTRIES, record.partition), {}).get(record.offset)
        before, before_by = newest.get(blog, (None, None))
        if before is not None:
            if by is not None and by is before_by and event.previous != before.id:
                yield f"{event.id[:8]} of {blog} does not name what its own writer wrote before it"
            if event.previous == before.id and event.time < times[before.id]:
                yield f"the time of {blog} went back by {times[before.id] - event.time}"
            if event.previous is None or (event.previous != before.id and not apart):
                yield from _unnamed(blog, event, before, apart=apart)
        newest[blog] = event, by


def _unnamed(blog: str, event: Event, before: Event, *, apart: bool) -> Iterator[str]:
    # Two that begin a blog at the same time name nothing.
    if not apart or (event.time - before.time).total_seconds() > RACE:
        yield f"an event of {blog} does not name the one before it: {event.id[:8]}"


def nobody_mended(journal: Sequence[StoredRecord]) -> bool:
    """Whether a late write overlaid a newer text, and nobody ran until compaction had taken that.

    Whoever runs writes something every few seconds.
    """
    known: dict[bytes, list[str]] = defaultdict(list)
    for number, record in enumerate(journal):
        if record.topic != ENTRIES or record.value is None or is_base(record.key):
            continue
        name = decode(record.headers, record.value).id
        earlier = known[record.key]
        late = name in earlier and earlier[-1] != name
        earlier.append(name)
        moment = record.written_at + A_MOMENT
        following = (
            [r.written_at for r in journal[number:] if r.written_at > moment] if late else []
        )
        if following and following[0] > record.written_at + REVISIONS_KEPT:
            return True
    return False
