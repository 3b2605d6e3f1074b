"""The checker: knows every accepted event and every request, and judges them by the guarantees."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from slugline.entry import Entry
from slugline.events import Event, EventType, decode
from slugline.log import StoredRecord
from slugline.topics import DEAD_LETTERS, ENTRIES, base_of
from slugline_syndicate.deliveries.subscription import Subscription
from tests.simulation.loop import EPOCH
from tests.simulation.receivers import Arrival

#: A replica that sends is at most this far behind the log, in seconds (guarantee 6), and a request
#: takes a moment to arrive.
BEHIND = 5.0 + 0.05


@dataclass(frozen=True)
class Accepted:
    """An event as it first stood in the log."""

    event: Event
    partition: int
    offset: int
    at: float

    @property
    def entry(self) -> str:
        subject = self.event.subject
        return subject.id if isinstance(subject, Entry) else ""

    @property
    def blog(self) -> str:
        subject = self.event.subject
        return subject.blog_id if isinstance(subject, Entry) else subject.id


def accepted_events(journal: Sequence[StoredRecord]) -> list[Accepted]:
    """Every event in the log; a record that repeats its subject's current id is none."""
    current: dict[bytes, str] = {}
    events = []
    for record in journal:
        if record.topic != ENTRIES or base_of(record.key) is not None or record.value is None:
            continue
        event = decode(record.headers, record.value)
        if current.get(record.key) != event.id:
            current[record.key] = event.id
            at = (record.written_at - EPOCH).total_seconds()
            events.append(Accepted(event, record.partition, record.offset, at))
    return events


class Checker:
    """Judges one subscription at a time; every method yields what is wrong, in words."""

    def __init__(self, journal: Sequence[StoredRecord]) -> None:
        self.events = accepted_events(journal)
        self._by_id = {accepted.event.id: accepted for accepted in self.events}
        self._dead = {
            record.key.decode()
            for record in journal
            if record.topic == DEAD_LETTERS and record.value
        }
        self._withdrawals: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
        for accepted in self.events:
            if accepted.event.type is EventType.ENTRY_DELETED:
                self._withdrawals[accepted.blog, accepted.entry].append(accepted)

    def faults(self, subscription: Subscription, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """Everything that breaks a guarantee."""
        yield from self._lost(subscription, arrivals)
        yield from self._disordered(arrivals)
        yield from self._changed(arrivals)
        yield from self._withdrawn(arrivals)
        yield from self._unasked(subscription, arrivals)

    def _lost(self, subscription: Subscription, arrivals: Sequence[Arrival]) -> Iterator[str]:
        delivered = {a.webhook_id for a in arrivals if a.status == 200}
        for accepted in self._wanted(subscription):
            dead = f"{subscription.id}|{accepted.event.id}" in self._dead
            if accepted.event.id not in delivered and not dead and not self._superseded(accepted):
                yield f"lost: {_words(accepted)} for {subscription.id}"

    def _disordered(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        newest: dict[str, int] = {}
        seen: set[str] = set()
        for arrival in arrivals:
            accepted = self._by_id.get(arrival.webhook_id)
            if accepted is None or arrival.webhook_id in seen:
                continue
            seen.add(arrival.webhook_id)
            if accepted.offset < newest.get(accepted.blog, -1):
                yield f"out of order at {arrival.at:.3f}: {_words(accepted)} to {arrival.url}"
            newest[accepted.blog] = max(accepted.offset, newest.get(accepted.blog, -1))

    def _changed(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        bodies: dict[str, bytes] = {}
        for arrival in arrivals:
            if bodies.setdefault(arrival.webhook_id, arrival.body) != arrival.body:
                yield f"other bytes under the same id at {arrival.at:.3f} to {arrival.url}"

    def _withdrawn(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for arrival in arrivals:
            accepted = self._by_id.get(arrival.webhook_id)
            for withdrawal in self._later_withdrawals(accepted) if accepted else ():
                if arrival.at > withdrawal.at + BEHIND:
                    late = arrival.at - withdrawal.at
                    yield f"withdrawn text sent {late:.3f} s later to {arrival.url}"

    def _unasked(self, subscription: Subscription, arrivals: Sequence[Arrival]) -> Iterator[str]:
        wanted = {accepted.event.id for accepted in self._wanted(subscription)}
        own = (EventType.SUBSCRIPTION_GAP, EventType.SUBSCRIPTION_TEST)
        for arrival in arrivals:
            if arrival.webhook_id not in wanted and orjson.loads(arrival.body)["type"] not in own:
                yield f"nobody asked for {arrival.webhook_id[:8]} at {arrival.url}"

    def _wanted(self, subscription: Subscription) -> list[Accepted]:
        wanted = subscription.filter
        return [
            a
            for a in self.events
            if a.offset >= subscription.start.get(a.partition, 0)
            and (not wanted.types or a.event.type in wanted.types)
            and ("*" in wanted.blogs or a.blog in wanted.blogs)
        ]

    def _superseded(self, accepted: Accepted) -> bool:
        return bool(self._later_withdrawals(accepted))

    def _later_withdrawals(self, accepted: Accepted) -> list[Accepted]:
        found = self._withdrawals.get((accepted.blog, accepted.entry), [])
        return [w for w in found if accepted.entry and w.offset > accepted.offset]


def duplicates(arrivals: Sequence[Arrival]) -> int:
    """How many requests repeated an event that had been answered with success."""
    taken: set[str] = set()
    repeated = 0
    for arrival in arrivals:
        repeated += arrival.webhook_id in taken
        if arrival.status == 200:
            taken.add(arrival.webhook_id)
    return repeated


def _words(accepted: Accepted) -> str:
    return f"{accepted.event.type} of {accepted.blog}/{accepted.entry} at {accepted.partition}:{accepted.offset}"
