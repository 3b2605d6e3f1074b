"""How an owner treats an endpoint: how long it waits, how much it sends at once, and what it repeats.

Everything is judged for one process at a time: what another one knows may be lost with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from slugline.events import EventType
from slugline.log import StoredRecord
from slugline.topics import ATTEMPTS
from tests.simulation.history import SubscriptionHistory, given_up
from tests.simulation.owning import (
    BEHIND,
    FLUSHED,
    Disturbance,
    contested,
    died_untold,
    of_process,
    replaced,
)
from tests.simulation.receivers import Arrival
from tests.simulation.script import Shape

#: What is promised to endpoints: how many requests at once, and how long it waits, in seconds.
AT_ONCE = 4
WAITS, JITTER = (5.0, 30.0, 120.0, 600.0, 1800.0), 0.2
REFUSAL_WAITS = (5.0, 30.0)
#: After so many events that were given up in a row, a refusal speaks against the endpoint.
GIVEN_UP_IN_A_ROW = 3
TROUBLE = frozenset({408, 429})


def impatient(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    journal: Sequence[StoredRecord],
    shape: Shape,
    disturbances: Sequence[Disturbance],
    copied: Mapping[str, float],
) -> Iterator[str]:
    """Requests that should not have been made, or not yet."""
    everything = sorted(arrivals, key=lambda a: a.sent)
    mine = [arrival for arrival in everything if not is_test(arrival)]
    told_nothing = contested(history, journal, disturbances)
    lost = replaced(history, journal, disturbances) + told_nothing
    blamed = _blamed(history, mine, journal)
    by_process: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in mine:
        by_process[arrival.by].append(arrival)
    for sent in by_process.values():
        yield from _crowded(sent)
        if not shape.skew:  # waits are by the wall clock, which may be set
            yield from _too_soon(history, mine, sent, told_nothing)
            yield from _refused_too_soon(history, sent, told_nothing, blamed)
    for name in {arrival.by: None for arrival in everything}:
        sent = [arrival for arrival in everything if arrival.by == name]
        yield from _unexplained(everything, sent, of_process(name, disturbances), copied, lost)
    yield from _forgotten(history, mine, shape, disturbances, lost)
    yield from _untold(history, mine, journal, disturbances)


def is_test(arrival: Arrival) -> bool:
    """Whether it was a `subscription.test`, which changes nothing of what is known of an endpoint."""
    return bool(orjson.loads(arrival.body)["type"] == EventType.SUBSCRIPTION_TEST)


def _under_way(sent: Sequence[Arrival], at: float) -> list[Arrival]:
    return [a for a in sent if a.sent < at and (a.ended is None or a.ended > at)]


def _crowded(sent: Sequence[Arrival]) -> Iterator[str]:
    """At most four at once, and no event twice."""
    for arrival in sent:
        others = _under_way(sent, arrival.sent)
        if len(others) >= AT_ONCE:
            yield f"{len(others) + 1} requests at once at {arrival.sent:.3f} to {arrival.url}"
        if any(other.webhook_id == arrival.webhook_id for other in others):
            yield f"one event twice at once at {arrival.sent:.3f} to {arrival.url}"


def is_trouble(arrival: Arrival) -> bool:
    """Whether its sender knew that it failed, and blamed the endpoint."""
    if arrival.heard is None:
        return arrival.gave_up
    status = arrival.status or 0
    return status in TROUBLE or 300 <= status < 400 or status >= 500


@dataclass
class _Endpoint:
    """What a process must think of an endpoint, at least: where it may have thought worse, it waits longer."""

    failures: int = 0
    #: When the request that failed was sent, and when that was known.
    asked: float = 0.0
    since: float = 0.0
    until: float = 0.0
    at_once: int = AT_ONCE

    def hear(self, arrival: Arrival, at: float) -> None:
        """What came of a request."""
        if arrival.heard is not None and arrival.status == 200:
            self.at_once = min(self.at_once + 1, AT_ONCE)
            self.failures = 0 if at >= self.until else self.failures
        elif arrival.heard is not None and arrival.status == 410:
            self.since, self.until = at, float("inf")
        elif is_trouble(arrival):
            # What was under way when the wait began may be the same failure, told twice.
            if arrival.sent >= self.since and at >= self.until:
                self._wait(at)
                self.asked = arrival.sent
            self.until = max(self.until, at + arrival.retry_after - 0.001)

    def _wait(self, at: float) -> None:
        wait = WAITS[min(self.failures, len(WAITS) - 1)] * (1 - JITTER)
        self.since, self.until, self.at_once = at, at + wait, 1
        self.failures += 1


def _too_soon(
    history: SubscriptionHistory,
    everybody: Sequence[Arrival],
    sent: Sequence[Arrival],
    told_nothing: Sequence[float],
) -> Iterator[str]:
    """After each trouble it waits: longer each time, as long as it was asked to; and then goes slowly.

    Unless it claimed again, at a *told_nothing* time: it may have begun from what stands in the log.
    """
    endpoint = _Endpoint()
    moments = [(a.sent, 1, a) for a in sent]
    moments += [(a.ended, 0, a) for a in sent if a.ended is not None]
    for at, is_start, arrival in sorted(moments, key=lambda each: each[:2]):
        if not is_start:
            endpoint.hear(arrival, at)
            continue
        began_again = any(endpoint.asked <= claimed <= at for claimed in told_nothing)
        if (
            began_again
            or started_afresh(history, endpoint.since, at)
            or _others_sent(everybody, arrival, endpoint.asked)
        ):
            endpoint = _Endpoint()
        if at < endpoint.until:
            yield f"sent {endpoint.until - at:.3f} s too soon at {at:.3f} to {arrival.url}"
        others = len(_under_way(sent, at))
        if others >= endpoint.at_once:
            yield f"no slow start: {others + 1} at once at {at:.3f} to {arrival.url}"


def started_afresh(history: SubscriptionHistory, since: float, at: float) -> bool:
    """Whether somebody told the owner to forget how the endpoint behaved, and it did so meanwhile."""
    return any(
        asked <= at + 0.001 and done >= since - FLUSHED for asked, done in history.fresh_starts()
    )


def _others_sent(everybody: Sequence[Arrival], arrival: Arrival, since: float) -> bool:
    """Whether another process had the subscription meanwhile."""
    return any(a.by != arrival.by and since - 1 <= a.sent <= arrival.sent for a in everybody)


def _blamed(
    history: SubscriptionHistory, arrivals: Sequence[Arrival], journal: Sequence[StoredRecord]
) -> Callable[[float], bool]:
    """Whether, at a time, a refusal says that the endpoint is broken and not that the event is."""
    keys = f"{history.name}|"
    dead = [at for key, at in given_up(journal).items() if key.startswith(keys)]
    taken = [a.heard for a in arrivals if a.heard is not None and a.status == 200]

    def blamed(at: float) -> bool:
        success = max((heard for heard in taken if heard < at), default=0.0)
        return sum(success <= each <= at for each in dead) >= GIVEN_UP_IN_A_ROW

    return blamed


def _refused_too_soon(
    history: SubscriptionHistory,
    sent: Sequence[Arrival],
    told_nothing: Sequence[float],
    blamed: Callable[[float], bool],
) -> Iterator[str]:
    refused: dict[str, list[float]] = defaultdict(list)
    for arrival in sent:
        before = refused[arrival.webhook_id]
        if before and any(before[-1] <= claimed <= arrival.sent for claimed in told_nothing):
            before.clear()
        if before and not started_afresh(history, before[-1], arrival.sent):
            times = sum(not blamed(at) for at in before)
            # After one that was the endpoint's fault, the shortest wait is certain.
            certain = not blamed(before[-1]) and times <= len(REFUSAL_WAITS)
            wait = REFUSAL_WAITS[times - 1 if certain else 0] * (1 - JITTER)
            if arrival.sent < before[-1] + wait - 0.001:
                yield f"a refused event again too soon at {arrival.sent:.3f} to {arrival.url}"
        status = arrival.status or 0
        if arrival.heard is not None and 400 <= status < 500 and status not in (408, 410, 429):
            before.append(arrival.heard)


def _unexplained(
    everybody: Sequence[Arrival],
    sent: Sequence[Arrival],
    disturbances: Sequence[Disturbance],
    copied: Mapping[str, float],
    lost: Sequence[float],
) -> Iterator[str]:
    """What is sent twice although its sender knew that it was taken, and had the time to say so.

    Not of an event that was *copied* in the log, once its first record may be compacted away; nor
    where the cursor was *lost*: one of an owner that was over came after it, or its owner was
    followed by one that did not know better.
    """
    for arrival in sent:
        if arrival.heard is None or arrival.status != 200:
            continue
        again = [a for a in everybody if a.webhook_id == arrival.webhook_id]
        until = copied.get(arrival.webhook_id, float("inf"))
        again = [a for a in again if arrival.heard < a.sent < until and a is not arrival]
        disturbed = any(
            each.start <= arrival.heard + FLUSHED and each.end >= arrival.heard - BEHIND
            for each in disturbances
        )
        excused = any(again and arrival.heard - BEHIND < at < again[0].sent for at in lost)
        if again and not disturbed and not excused:
            yield f"sent twice for no reason, at {again[0].sent:.3f} to {arrival.url}"


def _forgotten(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    shape: Shape,
    disturbances: Sequence[Disturbance],
    lost: Sequence[float],
) -> Iterator[str]:
    """Who was told to go, or to wait, tells whoever comes after it; unless the cursor was *lost*."""
    for arrival in arrivals:
        if arrival.heard is None or is_disturbed(arrival, disturbances):
            continue
        told, until = arrival.heard, arrival.heard + arrival.retry_after - 2 * shape.skew
        if arrival.status == 410:
            until = float("inf")
        elif not is_trouble(arrival):
            continue
        for later in arrivals:
            ignored = told + BEHIND < later.sent < until
            excused = started_afresh(history, told, later.sent) or any(
                told - BEHIND < at < later.sent for at in lost
            )
            if ignored and not excused:
                yield f"sent at {later.sent:.3f} to {later.url}, which said {arrival.status}"


def _untold(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    journal: Sequence[StoredRecord],
    disturbances: Sequence[Disturbance],
) -> Iterator[str]:
    """What a sender knows of an attempt, people can read; unless the subscription was deleted."""
    told = {
        (each["event"], each["status"])
        for record in journal
        if record.topic == ATTEMPTS and record.key == history.name.encode()
        for each in orjson.loads(record.value or b"[]")
    }
    ends = [version.at for version in history.versions if version.said is None]
    for arrival in arrivals:
        deleted = any(arrival.heard and at < arrival.heard + BEHIND for at in ends)
        if arrival.heard is None or deleted or died_untold(arrival, disturbances):
            continue
        if (arrival.webhook_id, arrival.status) not in told:
            yield f"nobody was told of the attempt at {arrival.sent:.3f} to {arrival.url}"


def is_disturbed(arrival: Arrival, disturbances: Sequence[Disturbance]) -> bool:
    """Whether something befell its sender before it could write down what it had heard."""
    heard = arrival.heard or arrival.sent
    return any(
        each.start <= heard + FLUSHED and each.end >= heard - BEHIND
        for each in of_process(arrival.by, disturbances)
    )
