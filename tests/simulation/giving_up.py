"""When an owner may give up events, and endpoints: neither too soon, nor too often, nor never."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from slugline.log import StoredRecord
from slugline.topics import CURSORS
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor
from tests.simulation.history import SubscriptionHistory, claims_on, given_up, seconds
from tests.simulation.loop import EPOCH
from tests.simulation.owning import BEHIND, Disturbance, contested
from tests.simulation.pace import (
    GIVEN_UP_IN_A_ROW,
    is_disturbed,
    is_test,
    is_trouble,
    started_afresh,
)
from tests.simulation.receivers import Arrival
from tests.simulation.script import Shape

#: An endpoint that has failed for so long is disabled, in seconds.
DISABLED_AFTER = timedelta(days=5).total_seconds()
#: Why it then is, in the words that its owner reads.
NO_SUCCESS = "no success for"


def unfair(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    journal: Sequence[StoredRecord],
    shape: Shape,
    disturbances: Sequence[Disturbance],
) -> Iterator[str]:
    """What was given up and should not have been, and the other way round."""
    if shape.skew:  # all of it is by the wall clock, which may be set
        return
    cursors = _cursors(history, journal)
    mine = [arrival for arrival in arrivals if not is_test(arrival)]
    yield from _too_many(history, mine, journal)
    yield from _disabled_too_soon(mine, cursors)
    claims = contested(history, journal, disturbances)
    yield from _never_disabled(history, mine, cursors, disturbances, claims)


def _cursors(
    history: SubscriptionHistory, journal: Sequence[StoredRecord]
) -> list[tuple[float, Cursor]]:
    """The cursors of the subscription that counted, and when they were written."""
    found: list[tuple[float, Cursor]] = []
    for record in journal:
        if record.topic == CURSORS and record.key == history.name.encode() and record.value:
            cursor = decode_cursor(history.name, record.value)
            if not found or cursor.epoch >= found[-1][1].epoch:
                found.append((seconds(record), cursor))
    return found


def _too_many(
    history: SubscriptionHistory, arrivals: Sequence[Arrival], journal: Sequence[StoredRecord]
) -> Iterator[str]:
    """Events that one process gave up in a row, while it knew of no success."""
    for by, moments in _fates(history, arrivals, journal).items():
        row: list[float] = []
        for at, event in sorted(moments):
            row = [*row, at] if event else []
            if len(row) > GIVEN_UP_IN_A_ROW and not started_afresh(history, row[0], at):
                yield f"{by} gave up {event[:8]}, the {len(row)}th in a row, at {at:.3f}"


def _fates(
    history: SubscriptionHistory, arrivals: Sequence[Arrival], journal: Sequence[StoredRecord]
) -> dict[str, list[tuple[float, str]]]:
    """By process: when it gave up which event; and without one, when it may have begun to count anew."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for by, at in claims_on(history, journal):  # it may know less than it did
        found[by].append((at, ""))
    tries: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        tries[arrival.webhook_id].append(arrival)
        if arrival.heard is not None and arrival.status == 200:
            found[arrival.by].append((arrival.heard, ""))
    for key, at in given_up(journal).items():
        name, _, event = key.partition("|")
        last = [a for a in tries[event] if a.heard and a.heard <= at][-1:]
        if name == history.name and last:
            found[last[0].by].append((at, event))
    return found


def _disabled_too_soon(
    arrivals: Sequence[Arrival], cursors: Sequence[tuple[float, Cursor]]
) -> Iterator[str]:
    """Endpoints that were disabled although they had failed for less than five days."""
    for _, cursor in cursors:
        health = cursor.health
        if health.disabled and health.disabled.startswith(NO_SUCCESS) and health.disabled_at:
            at = (health.disabled_at - EPOCH).total_seconds()
            # A success that was under way when a failure came does not end the failing.
            taken = [a.sent for a in arrivals if a.status == 200 and a.heard and a.heard < at]
            newest = max(taken, default=0.0)
            failed = [a.ended for a in arrivals if a.ended and newest < a.ended <= at + BEHIND]
            if min(failed, default=at) > at - DISABLED_AFTER + BEHIND:
                yield f"{cursor.subscription_id} was disabled too soon, at {at:.3f}"


def _never_disabled(
    history: SubscriptionHistory,
    arrivals: Sequence[Arrival],
    cursors: Sequence[tuple[float, Cursor]],
    disturbances: Sequence[Disturbance],
    contests: Sequence[float],
) -> Iterator[str]:
    """Requests after a failure that came when an endpoint had failed for five days already."""
    written = [at for at, _ in cursors]
    for arrival in arrivals:
        known = bisect_right(written, arrival.sent - BEHIND)
        since = cursors[known - 1][1].health.failing_since if known else None
        if since is None or not is_trouble(arrival) or is_disturbed(arrival, disturbances):
            continue
        began, told = (since - EPOCH).total_seconds(), arrival.ended or arrival.sent
        over = told - began >= DISABLED_AFTER + BEHIND
        taken = any(a.status == 200 and began - BEHIND < a.at < told for a in arrivals)
        contest = any(written[known - 1] - BEHIND < at < told + BEHIND for at in contests)
        if not over or taken or contest or started_afresh(history, began, told):
            continue
        for later in arrivals:
            if later.sent > told + BEHIND and not started_afresh(history, told, later.sent):
                yield f"sent at {later.sent:.3f} to {later.url}, which had failed since {began:.3f}"
