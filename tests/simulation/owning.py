"""Who works for a subscription, and what it leaves behind: leases, claims, cursors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slugline.log import StoredRecord
from slugline.topics import CURSORS
from slugline_syndicate.deliveries.cursor import decode_cursor
from tests.simulation.checker import Checker
from tests.simulation.history import SubscriptionHistory, claims_on, seconds
from tests.simulation.receivers import Arrival

#: A cursor that moved is in the log after this, where nothing is in its way, in seconds.
FLUSHED = 1.0
#: What a replica that sends may be behind the log, in seconds (guarantee 6).
BEHIND = 5.05
#: How long a group may take to tell a member that is back what it lost, in seconds.
UNTOLD = 20.0
#: How long a request may go on after the lease is over, in seconds.
CUT = 1.05
#: The log counts in microseconds, and rounds.
MOMENT = 2e-6


@dataclass(frozen=True)
class Disturbance:
    """Something that befell one process, or all of them (`*`), from *start* to *end*, in seconds.

    *severed*: nobody it befell could reach the log meanwhile. *frozen*: it stood still for a part of
    it, at least. *orderly*: it was asked to end, and did.
    """

    process: str
    start: float
    end: float
    severed: bool = False
    frozen: bool = False
    orderly: bool = False


def of_process(name: str, disturbances: Sequence[Disturbance]) -> list[Disturbance]:
    befell = [each for each in disturbances if not each.orderly]
    return [each for each in befell if each.process in (name, "*")]


def misowned(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    journal: Sequence[StoredRecord],
    disturbances: Sequence[Disturbance],
) -> Iterator[str]:
    """Requests of processes that must not have made them, and cursors that do not say what was done."""
    yield from _alone(arrivals, disturbances)
    yield from _uncut(arrivals, disturbances)
    yield from _zombies(history, arrivals, journal)
    yield from _again_by_itself(history, arrivals, journal)
    yield from _left_standing(history, journal, disturbances)


def replaced(
    history: SubscriptionHistory,
    journal: Sequence[StoredRecord],
    disturbances: Sequence[Disturbance],
) -> list[float]:
    """When a cursor of an owner that was one no longer came after its successor's, and something
    befell somebody: compaction keeps the later record, and a new view knows no other."""
    newest, found = -1, []
    for record in journal:
        if record.topic == CURSORS and record.key == history.name.encode() and record.value:
            epoch, at = decode_cursor(history.name, record.value).epoch, seconds(record)
            newest = max(newest, epoch)
            if epoch < newest and any(
                e.start <= at + BEHIND and e.end >= at - UNTOLD for e in disturbances
            ):
                found.append(at)
    return found


def contested(
    history: SubscriptionHistory,
    journal: Sequence[StoredRecord],
    disturbances: Sequence[Disturbance],
) -> list[float]:
    """When somebody claimed who had stood still, or been cut off, and whom the group had not told
    yet that others own its share: what the owner did in the last moment may not be written."""
    return [
        at
        for owner, at in claims_on(history, journal)
        if any(e.start <= at <= e.end + UNTOLD for e in of_process(owner, disturbances))
    ]


def _alone(arrivals: Sequence[Arrival], disturbances: Sequence[Disturbance]) -> Iterator[str]:
    """Who cannot reach the log begins nothing more once its lease is over."""
    for arrival in arrivals:
        for each in of_process(arrival.by, disturbances):
            if each.severed and each.start + BEHIND < arrival.sent < each.end:
                yield f"{arrival.by} sent at {arrival.sent:.3f}, without the log since {each.start:.3f}"


def _uncut(arrivals: Sequence[Arrival], disturbances: Sequence[Disturbance]) -> Iterator[str]:
    """Who cannot reach the log cuts what is under way a second after its lease is over."""
    for arrival in arrivals:
        befell = of_process(arrival.by, disturbances)
        if arrival.ended is None or any(e.frozen and e.end > arrival.sent for e in befell):
            continue
        for each in befell:
            cut = each.start + BEHIND + CUT
            if each.severed and cut < each.end and arrival.sent < cut < arrival.ended:
                yield f"{arrival.by} did not cut its request of {arrival.sent:.3f} by {cut:.3f}"


def _zombies(
    history: SubscriptionHistory, arrivals: Sequence[Arrival], journal: Sequence[StoredRecord]
) -> Iterator[str]:
    """Requests of a process after another one's claim on the subscription's partition."""
    claims = claims_on(history, journal)
    for arrival in arrivals:
        known = [owner for owner, at in claims if at + BEHIND < arrival.sent]
        lately = [owner for owner, at in claims if at <= arrival.sent <= at + BEHIND]
        if known and arrival.by not in (known[-1], *lately):
            yield f"{arrival.by} sent at {arrival.sent:.3f}, though {known[-1]} owns it"


def _again_by_itself(
    history: SubscriptionHistory, arrivals: Sequence[Arrival], journal: Sequence[StoredRecord]
) -> Iterator[str]:
    """An owner that knows that an event was taken never sends it again, whatever befalls it."""
    claims = claims_on(history, journal)
    taken: dict[tuple[str, str], float] = {}
    for arrival in sorted(arrivals, key=lambda a: a.sent):
        key = arrival.by, arrival.webhook_id
        if key in taken and taken[key] < arrival.sent:
            between = any(taken[key] - BEHIND < at < arrival.sent for _, at in claims)
            if not between:
                yield f"{arrival.by} sent again at {arrival.sent:.3f} what was taken, to {arrival.url}"
        if arrival.heard is not None and arrival.status == 200:
            taken.setdefault(key, arrival.heard)


def _left_standing(
    history: SubscriptionHistory,
    journal: Sequence[StoredRecord],
    disturbances: Sequence[Disturbance],
) -> Iterator[str]:
    """A late cursor of an earlier owner does not stay the newest in the log: its successor writes again.

    Unless something befalls the successor meanwhile, or another comes, or the subscription goes.
    """
    claims = claims_on(history, journal)
    cursors = [
        (seconds(record), decode_cursor(history.name, record.value).epoch)
        for record in journal
        if record.topic == CURSORS and record.key == history.name.encode() and record.value
    ]
    ends = [version.at for version in history.versions if version.said is None]
    newest = -1
    for number, (at, epoch) in enumerate(cursors):
        newest = max(newest, epoch)
        until = at + 2 * BEHIND
        again = any(e >= newest and when <= until for when, e in cursors[number + 1 :])
        if epoch == newest or again or any(end <= until for end in ends):
            continue
        owner = [name for name, when in claims if when <= at][-1]
        contested = any(at - BEHIND < when < until for _, when in claims)
        befallen = any(
            e.start <= until and e.end >= at - BEHIND for e in of_process(owner, disturbances)
        )
        ended = any(e.orderly and e.process == owner and e.start <= until for e in disturbances)
        if not contested and not befallen and not ended:
            yield f"a cursor of {history.name} by an earlier owner stands at {at:.3f}"


def unwritten(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    journal: Sequence[StoredRecord],
    checker: Checker,
    disturbances: Sequence[Disturbance],
) -> Iterator[str]:
    """What its owner knows to be taken, a cursor soon says; and the newest one does, once all is calm."""
    if history.versions[-1].said is None:
        return
    cursors = [
        (seconds(record), decode_cursor(history.name, record.value))
        for record in journal
        if record.topic == CURSORS and record.key == history.name.encode() and record.value
    ]
    last = cursors[-1][1].epoch if cursors else 0
    claims = claims_on(history, journal)
    for arrival in arrivals:
        event = checker.by_id.get(arrival.webhook_id)
        if event is None or arrival.heard is None or arrival.status != 200:
            continue
        if event.event.id in checker.copied:
            continue
        says = [
            (at, cursor.epoch)
            for at, cursor in cursors
            if cursor.positions.get(event.partition, 0) > event.offset
        ]
        what = f"{event.partition}:{event.offset} was taken at {arrival.heard:.3f}"
        # Its own, too, may land late, and after a newer one.
        if all(epoch != last for _, epoch in says):
            yield f"the last cursor of {history.name} does not say that {what}"
            return
        until = _written_until(arrival, claims, disturbances)
        if min(at for at, _ in says) > until and not history.changed_filters():
            yield f"no cursor of {history.name} said by {until:.3f} that {what}"
            return


def died_untold(arrival: Arrival, disturbances: Sequence[Disturbance]) -> bool:
    """Whether its sender was killed before it could write down what it had heard."""
    heard = arrival.heard or arrival.sent
    until = heard + BEHIND
    for each in sorted(of_process(arrival.by, disturbances), key=lambda d: d.start):
        if each.start <= until and each.end >= heard - BEHIND:
            if each.end in (each.start, float("inf")):
                return True
            until = max(until, each.end + 2 * BEHIND)
    return False


def _written_until(
    arrival: Arrival, claims: Sequence[tuple[str, float]], disturbances: Sequence[Disturbance]
) -> float:
    """When a cursor has to say what *arrival* did; never, where something befell who knew of it."""
    heard = arrival.heard or 0.0
    until = heard + BEHIND
    for each in sorted(disturbances, key=lambda d: d.start):
        if each.start <= until and each.end >= heard - BEHIND:
            if each.process == arrival.by:
                return float("inf")
            if each.process == "*":  # what could not be written is written once the log is back
                until = max(until, each.end + 2 * BEHIND)
    if any(heard - BEHIND < at < until for _, at in claims):
        return float("inf")
    return until
