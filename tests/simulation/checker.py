"""The checker: knows every accepted event and every request, and judges them by the guarantees."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from slugline.entry import Entry
from slugline.events import Event, EventType, decode
from slugline.log import StoredRecord
from slugline.topics import (
    ATTEMPTS,
    CURSORS,
    DEAD_LETTERS,
    ENTRIES,
    SUBSCRIPTIONS,
    base_of,
    is_base,
)
from slugline.topics import (
    is_own as is_mark,
)
from slugline_syndicate.deliveries.body import own_id
from slugline_syndicate.deliveries.cursor import decode_cursor
from slugline_syndicate.deliveries.subscription import OrderKind
from tests.simulation.bodies import forged, misstated
from tests.simulation.history import SubscriptionHistory, claims_on, given_up, seconds
from tests.simulation.receivers import Arrival

#: A replica that sends is at most this far behind the log, in seconds (guarantee 6), and a request
#: takes a moment to arrive.
BEHIND = 5.0 + 0.05
#: For so long every revision is kept, in seconds.
REVISIONS = 7 * 86_400.0
#: An event is given up after so many refusals, or so many server errors over so long, in seconds.
REFUSALS, SERVER_ERRORS, OVER = 3, 10, 12 * 3600.0
#: A new filter may be unknown to an owner that stands still, or reads slowly, for so long, in seconds.
UNKNOWN = 120.0
#: How wrong clocks are at the most, in seconds.
SKEW = 10.0


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
    def kind(self) -> EventType:
        return self.event.type

    @property
    def blog(self) -> str:
        subject = self.event.subject
        return subject.blog_id if isinstance(subject, Entry) else subject.id


def accepted_events(journal: Sequence[StoredRecord]) -> list[Accepted]:
    """Every event in the log; a record that repeats an id of its subject is none."""
    known: dict[bytes, set[str]] = defaultdict(set)
    events = []
    for record in journal:
        if record.topic != ENTRIES or is_base(record.key) or record.value is None:
            continue
        event = decode(record.headers, record.value)
        if event.id not in known[record.key]:
            known[record.key].add(event.id)
            events.append(Accepted(event, record.partition, record.offset, seconds(record)))
    return events


class Checker:
    """Judges one subscription at a time; every method yields what is wrong, in words."""

    def __init__(self, journal: Sequence[StoredRecord]) -> None:
        self.journal = journal
        self.events = accepted_events(journal)
        #: Every accepted event, by its id.
        self.by_id = {accepted.event.id: accepted for accepted in self.events}
        self._bases = bases(journal)
        self._base_offsets = {
            r.partition: r.offset
            for r in reversed(journal)
            if r.topic == ENTRIES and is_base(r.key)
        }
        self._sequences, self.copied = self._copies()
        self._by_sequence: dict[int, list[Accepted]] = defaultdict(list)
        for a in self.events:  # a sequence is one in its blog, not in the log
            for sequence in sorted(self._sequences[a.event.id]):
                self._by_sequence[sequence].append(a)
        self._dead: dict[str, float] = {}
        self._decided = given_up(journal)
        for record in journal:
            if record.topic == DEAD_LETTERS and record.value:
                self._dead.setdefault(record.key.decode(), seconds(record))
        self._withdrawals: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
        self._revisions: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
        for accepted in self.events:
            self._revisions[accepted.blog, accepted.entry].append(accepted)
            if accepted.event.type is EventType.ENTRY_DELETED:
                self._withdrawals[accepted.blog, accepted.entry].append(accepted)

    def _copies(self) -> tuple[dict[str, set[int]], dict[str, float]]:
        """Every sequence that an event's records have; and from when on the first of several may be
        compacted away, so that another counts: after seven days."""
        places: dict[str, set[int]] = defaultdict(set)
        for record in self.journal:
            if record.topic == ENTRIES and not is_base(record.key) and record.value:
                name = decode(record.headers, record.value).id
                places[name].add(self._bases[record.partition] + record.offset)
        copied = {name: self.by_id[name].at + REVISIONS for name in places if len(places[name]) > 1}
        return places, copied

    def may_have_moved(self, arrival: Arrival) -> bool:
        """Whether the first record of its event may be gone, and a copy of it counts."""
        return arrival.at > self.copied.get(arrival.webhook_id, float("inf"))

    def names(self) -> list[str]:
        """Every subscription that ever was."""
        keys = (r.key for r in self.journal if r.topic == SUBSCRIPTIONS and not is_mark(r.key))
        return [key.decode() for key in dict.fromkeys(keys)]

    def undelivered(self, name: str, arrivals: Sequence[Arrival]) -> list[str]:
        """What the subscription called *name* still lacks."""
        history = SubscriptionHistory(name, self.journal)
        mine = [arrival for arrival in arrivals if arrival.url in history.urls]
        missing = history.test_ids() - {arrival.webhook_id for arrival in mine}
        if history.versions[-1].said is None:
            return []
        return [*self._lost(history, mine), *(f"no test {test[:8]} for {name}" for test in missing)]

    def faults(self, name: str, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """Everything that breaks a guarantee for the subscription called *name*."""
        history = SubscriptionHistory(name, self.journal)
        mine = [arrival for arrival in arrivals if arrival.url in history.urls]
        certain = [arrival for arrival in mine if not self.may_have_moved(arrival)]
        yield from self._lost(history, mine)
        yield from self._disordered(history, certain)
        yield from self._changed(certain)
        yield from self._withdrawn(mine)
        yield from self._unasked(history, certain)
        yield from self._claimed(history, mine)
        yield from self._passed(history, mine)
        yield from self._sent_though_skipped(history, certain)
        yield from self._given_up_too_early(history, mine)
        yield from self._gaps(mine)
        yield from self._gaps_again(history, mine)
        yield from disobeyed(history, mine)
        yield from forged(history, mine)
        yield from misstated(certain, self.by_id, self._sequences)

    def _lost(self, history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
        delivered = {a.webhook_id for a in arrivals if a.status == 200}
        gaps = self._gaps_told(history.name, arrivals)
        for accepted in self.events:
            settled = (
                not history.wanted(accepted)
                or accepted.event.id in delivered
                or f"{history.name}|{accepted.event.id}" in self._dead
                or self._later_withdrawals(accepted)
                or history.skipped(accepted)
                or any(self._missed_in_gap(accepted, told) for told in gaps)
            )
            if not settled and history.versions[-1].said is not None:
                yield f"lost: {_words(accepted)} for {history.name}"

    def _gaps_told(self, name: str, arrivals: Sequence[Arrival]) -> list[float]:
        """When each telling of a gap was done, or given up: up to then, only newest revisions come."""
        told = [arrival for arrival in arrivals if is_gap(arrival)]
        given_up = {self._dead.get(f"{name}|{arrival.webhook_id}") for arrival in told}
        taken = [a.at if a.heard is None else a.heard for a in told if a.status == 200]
        return taken + sorted(at for at in given_up if at is not None)

    def _missed_in_gap(self, accepted: Accepted, told: float) -> bool:
        """Whether a newer revision comes in its place, the gap having been *told* then."""
        later = self._revisions[accepted.blog, accepted.entry]
        return told >= accepted.at and any(accepted.offset < other.offset for other in later)

    def _gaps(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for arrival in filter(is_gap, arrivals):
            events = self._by_sequence[orjson.loads(arrival.body)["data"]["sequence"]]
            if not any(self._follows_old(event, arrival.at) for event in events):
                yield f"a gap was told at {arrival.at:.3f} of what nothing is missing of"

    def _follows_old(self, event: Accepted, told: float) -> bool:
        """Whether *event* was older than revisions are kept; or one before it that may be gone."""
        before = [
            e for e in self.events if e.partition == event.partition and e.offset <= event.offset
        ]
        old = any(told - e.at > REVISIONS - SKEW for e in before)
        # An offset without an event looks like one that compaction has left.
        return old or len(before) < event.offset - self._base_offsets[event.partition]

    def _gaps_again(
        self, history: SubscriptionHistory, arrivals: Sequence[Arrival]
    ) -> Iterator[str]:
        """Once it is told, everything that stood in the log then has no gap of its own.

        Unless another was the owner meanwhile, who may not have known.
        """
        claims = claims_on(history, self.journal)
        told: dict[tuple[str, int], float] = {}
        for arrival in filter(is_gap, arrivals):
            sequence = orjson.loads(arrival.body)["data"]["sequence"]
            for event in self._by_sequence[sequence]:
                kind, place = EventType.SUBSCRIPTION_GAP, event.offset
                if arrival.webhook_id != own_id(kind, history.name, place, event.partition):
                    continue
                before = told.get((arrival.by, event.partition), 0.0)
                others = any(by != arrival.by and before <= at <= arrival.at for by, at in claims)
                if event.at < before - BEHIND and not others:
                    yield f"the same gap was told again at {arrival.at:.3f} to {arrival.url}"
                if arrival.status == 200 and arrival.heard is not None:
                    told[arrival.by, event.partition] = arrival.heard

    def _given_up_too_early(
        self, history: SubscriptionHistory, arrivals: Sequence[Arrival]
    ) -> Iterator[str]:
        """A dead letter follows three refusals, or ten server errors; whoever starts afresh counts anew."""
        fresh = history.fresh_starts()
        for key, at in self._dead.items():
            name, _, event = key.partition("|")
            if name != history.name:
                continue
            decided = self._decided[key] - SKEW
            begins = max((asked for asked, done in fresh if done <= decided), default=0.0)
            tries = [
                a
                for a in arrivals
                if a.webhook_id == event and a.status and a.at <= at and (a.heard or a.at) > begins
            ]
            refusals = [a for a in tries if a.status and 400 <= a.status < 500]
            errors = [a for a in tries if a.status and a.status >= 500]
            worn_out = len(errors) >= SERVER_ERRORS and at - errors[0].at >= OVER - SKEW
            if len(refusals) < REFUSALS and not worn_out:
                yield f"{event[:8]} was given up after {[a.status for a in tries]}"

    def _disordered(
        self, history: SubscriptionHistory, arrivals: Sequence[Arrival]
    ) -> Iterator[str]:
        """What first comes after something newer; but for what only a new filter wants."""
        newest: dict[str, int] = {}
        seen: set[str] = set()
        for arrival in arrivals:
            accepted = self.by_id.get(arrival.webhook_id)
            if accepted is None or arrival.webhook_id in seen:
                continue
            seen.add(arrival.webhook_id)
            late = accepted.offset < newest.get(accepted.blog, -1)
            if late and not history.overlooked(accepted, UNKNOWN):
                yield f"out of order at {arrival.at:.3f}: {_words(accepted)} to {arrival.url}"
            newest[accepted.blog] = max(accepted.offset, newest.get(accepted.blog, -1))

    def _changed(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        bodies: dict[str, bytes] = {}
        for arrival in arrivals:
            if bodies.setdefault(arrival.webhook_id, arrival.body) != arrival.body:
                yield f"other bytes under the same id at {arrival.at:.3f} to {arrival.url}"

    def _withdrawn(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for arrival in arrivals:
            accepted = self.by_id.get(arrival.webhook_id)
            for withdrawal in self._later_withdrawals(accepted) if accepted else ():
                if arrival.at > withdrawal.at + BEHIND:
                    late = arrival.at - withdrawal.at
                    yield f"withdrawn text sent {late:.3f} s later to {arrival.url}"

    def _unasked(self, history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for arrival in arrivals:
            accepted = self.by_id.get(arrival.webhook_id)
            asked = is_own(arrival) if accepted is None else self._is_asked(history, arrival)
            if not asked:
                yield f"nobody asked for {arrival.webhook_id[:8]} at {arrival.url}"

    def _is_asked(self, history: SubscriptionHistory, arrival: Arrival) -> bool:
        """Whether its event is wanted, or was when a replica that may be behind last looked."""
        event = self.by_id[arrival.webhook_id]
        begins = history.start.get(event.partition, 0)
        lately = history.lately_wanted(event, arrival.at, BEHIND) and event.offset >= begins
        return lately or history.wanted(event) is not False

    def _claimed(self, history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """What is told to people happened: attempts, and dead letters of what was never taken."""
        answers = {(a.webhook_id, a.status) for a in arrivals}
        for record in self.journal:
            if record.topic != ATTEMPTS or record.key.decode() != history.name:
                continue
            for told in orjson.loads(record.value or b"[]"):
                if told["status"] and (told["event"], told["status"]) not in answers:
                    yield f"an attempt that was not: {told}"
        taken = {a.webhook_id: a.at for a in reversed(arrivals) if a.status == 200}
        for key, at in self._decided.items():
            name, _, event = key.partition("|")
            moved = at > self.copied.get(event, float("inf"))
            if name == history.name and taken.get(event, at) < at and not moved:
                yield f"a dead letter of {event[:8]}, which {name} had taken"

    def _passed(self, history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """No cursor claims more than was done when it was written."""
        if history.changed_filters():
            return
        settled = self._settled(history, arrivals)
        for record in self.journal:
            name = record.key.decode()
            if record.topic != CURSORS or name != history.name or not record.value:
                continue
            for p, position in decode_cursor(name, record.value).positions.items():
                # Sorted by offset, with the latest moment of all up to it.
                index = bisect_left(settled[p], position, key=lambda pair: pair[0])
                if index and settled[p][index - 1][1] > seconds(record):
                    yield f"{name} passed {p}:{position} too early, at {seconds(record):.3f}"

    def _sent_though_skipped(
        self, history: SubscriptionHistory, arrivals: Sequence[Arrival]
    ) -> Iterator[str]:
        first = {a.webhook_id: a.at for a in reversed(arrivals)}
        done = self._orders_done(history.name)
        for order in history.orders(OrderKind.SKIP):
            skipped_at = min((at for at, number in done if number >= order.number), default=None)
            for accepted in self.events if skipped_at is not None else ():
                given_up = accepted.offset < order.positions.get(accepted.partition, 0)
                at = first.get(accepted.event.id, 0.0)
                if given_up and skipped_at and at > skipped_at + BEHIND:
                    yield f"sent at {at:.3f}, skipped at {skipped_at:.3f}: {_words(accepted)}"

    def _orders_done(self, name: str) -> list[tuple[float, int]]:
        """The last order done, as every cursor of the subscription says it, and when it was written."""
        return [
            (seconds(record), decode_cursor(name, record.value).order)
            for record in self.journal
            if record.topic == CURSORS and record.key == name.encode() and record.value
        ]

    def _settled(
        self, history: SubscriptionHistory, arrivals: Sequence[Arrival]
    ) -> dict[int, list[tuple[int, float]]]:
        taken = {a.webhook_id: a.at for a in reversed(arrivals) if a.status == 200}
        gaps = self._gaps_told(history.name, arrivals)
        never = float("inf")
        found: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for accepted in sorted(self.events, key=lambda a: a.offset):
            if not history.wanted(accepted) or history.skipped(accepted):
                continue
            event = accepted.event.id
            moments = [taken.get(event, never), self._dead.get(f"{history.name}|{event}", never)]
            moments += [w.at for w in self._later_withdrawals(accepted)]
            if event in self.copied:
                moments.append(self.copied[event])
            missed = [told for told in gaps if self._missed_in_gap(accepted, told)]
            if missed:  # after seven days it may be gone before that is told
                moments += [*missed, accepted.at + REVISIONS]
            before = found[accepted.partition]
            latest = max(min(moments), before[-1][1] if before else 0.0)
            before.append((accepted.offset, latest))
        return found

    def _later_withdrawals(self, accepted: Accepted) -> list[Accepted]:
        found = self._withdrawals.get((accepted.blog, accepted.entry), [])
        return [w for w in found if accepted.entry and w.offset > accepted.offset]


def disobeyed(history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
    """Orders and changes that were not carried out."""
    missing = history.test_ids() - {arrival.webhook_id for arrival in arrivals}
    if missing and history.versions[-1].said is not None:
        yield f"{len(missing)} tests of {history.name} were never sent"
    for arrival in arrivals:
        if arrival.at > history.url_until(arrival.url) + BEHIND:
            yield f"sent to an old URL at {arrival.at:.3f}: {arrival.url}"
        if is_own(arrival):
            continue
        for start, end in history.silent():
            if start + BEHIND < arrival.at < end:
                yield f"sent at {arrival.at:.3f}, paused since {start:.3f}, to {arrival.url}"


def is_own(arrival: Arrival) -> bool:
    """Whether it was an event for one endpoint alone."""
    own = (EventType.SUBSCRIPTION_GAP, EventType.SUBSCRIPTION_TEST)
    return orjson.loads(arrival.body)["type"] in own


def is_gap(arrival: Arrival) -> bool:
    """Whether it told of a gap."""
    return bool(orjson.loads(arrival.body)["type"] == EventType.SUBSCRIPTION_GAP)


def bases(journal: Sequence[StoredRecord]) -> dict[int, int]:
    """What sequences count from, by partition of the entries: the lowest offset wins."""
    found: dict[int, int] = {}
    for record in journal:
        if record.topic == ENTRIES and is_base(record.key):
            found.setdefault(record.partition, base_of(record))
    return found


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
