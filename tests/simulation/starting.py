"""What the API promises a partner: from when on a subscription holds, by the partner's own clock.

The checker believes what stands in the log; here the log is not asked, only when a call was made
and when it was answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.simulation.checker import Accepted, Checker
from tests.simulation.history import SubscriptionHistory
from tests.simulation.receivers import Arrival


@dataclass(frozen=True)
class Call:
    """One call of the subscriptions API that was answered with success. Times are in seconds."""

    kind: str
    name: str
    asked: float
    answered: float


def broken_calls(
    calls: Sequence[Call], checker: Checker, arrivals: Sequence[Arrival]
) -> Iterator[str]:
    """Calls after which something else happened than was answered."""
    for call in calls:
        history = SubscriptionHistory(call.name, checker.journal)
        mine = [arrival for arrival in arrivals if arrival.url in history.urls]
        if call.kind.startswith("make"):
            yield from _started(call, history, checker.events, mine)
        if call.kind == "skip":
            yield from _skipped(call, history, checker.events)


def _started(
    call: Call, history: SubscriptionHistory, events: Sequence[Accepted], mine: Sequence[Arrival]
) -> Iterator[str]:
    """`now`: nothing from before the call; and nothing is left out from its answer on."""
    sent = {arrival.webhook_id for arrival in mine}
    for accepted in events:
        where = f"{accepted.kind} of {accepted.blog}/{accepted.entry}"
        before = accepted.offset < history.start.get(accepted.partition, 0)
        if call.kind == "make now" and accepted.at < call.asked and accepted.event.id in sent:
            yield f"{call.name} got {where}, from before it was made"
        if before and (accepted.at > call.answered or call.kind == "make earliest"):
            yield f"{call.name} starts after {where}, which it asked for"


def _skipped(call: Call, history: SubscriptionHistory, events: Sequence[Accepted]) -> Iterator[str]:
    """`resume` with `skip` gives up what came before the call was answered, and nothing else."""
    asked = [v for v in history.versions if v.said and call.asked <= v.at <= call.answered]
    orders = [order for v in asked if v.said for order in v.said.orders[-1:]]
    for order in orders:
        for accepted in events:
            place = order.positions.get(accepted.partition, 0)
            where = f"{accepted.kind} of {accepted.blog}/{accepted.entry}"
            if accepted.at < call.asked and accepted.offset >= place:
                yield f"{call.name} was told to skip, but not {where}"
            if accepted.at > call.answered and accepted.offset < place:
                yield f"{call.name} was told to skip {where}, which came afterwards"
