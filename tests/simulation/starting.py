"""What the API promises a partner: from when on a subscription holds, by the partner's own clock.

The checker believes what stands in the log; here the log is not asked, only when a call was made
and when it was answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from slugline_syndicate.deliveries.subscription import OrderKind, Subscription
from tests.simulation.checker import Accepted, Checker
from tests.simulation.history import SubscriptionHistory, Version
from tests.simulation.owning import MOMENT
from tests.simulation.receivers import Arrival
from tests.simulation.script import Shape


@dataclass(frozen=True)
class Call:
    """One call of the subscriptions API that was answered with success. Times are in seconds.

    *wanted* is what was asked for, where it is a change: the URL, or blogs and types.
    """

    kind: str
    name: str
    asked: float
    answered: float
    wanted: object = None


def broken_calls(
    calls: Sequence[Call], shape: Shape, checker: Checker, arrivals: Sequence[Arrival]
) -> Iterator[str]:
    """Calls after which something else happened than was answered."""
    for call in calls:
        history = SubscriptionHistory(call.name, checker.journal)
        mine = [arrival for arrival in arrivals if arrival.url in history.urls]
        if call.kind.startswith("make"):
            first = [arrival for arrival in mine if not checker.may_have_moved(arrival)]
            yield from _started(call, history, checker.events, first)
        if call.kind == "skip":
            yield from _skipped(call, history, checker.events)
        if not any(_is_as_asked(call, version.said) for version in _in_force(call, history)):
            yield f"{call.kind} of {call.name} was answered at {call.answered:.3f}, and not kept"
    for name in () if shape.freezes else checker.names():  # one that is thawed does not look again
        yield from _uncounted(SubscriptionHistory(name, checker.journal))


def _in_force(call: Call, history: SubscriptionHistory) -> list[Version]:
    """The version that held when *call* was made, and those that came until its answer."""
    before = [version for version in history.versions if version.at < call.asked][-1:]
    return before + [v for v in history.versions if call.asked <= v.at <= call.answered + MOMENT]


def _is_as_asked(call: Call, said: Subscription | None) -> bool:
    if said is None or call.kind == "delete":
        return said is None and call.kind == "delete"
    last = said.orders[-1].kind if said.orders else None
    match call.kind:
        case "pause":
            return said.paused
        case "resume" | "skip":
            return not said.paused and last in (OrderKind.RESUME, OrderKind.SKIP)
        case "test":
            return last is OrderKind.TEST
        case "move":
            return said.url == call.wanted
        case "narrow":
            return (said.filter.blogs, said.filter.types) == call.wanted
    return True  # it was made


def _uncounted(history: SubscriptionHistory) -> Iterator[str]:
    """Each change is made to the one before it, or that one is lost."""
    for one, other in pairwise(history.versions):
        if one.said and other.said and other.said.revision != one.said.revision + 1:
            yield f"a change of {history.name} was lost at {other.at:.3f}"


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
    asked = [v for v in history.versions if v.said and call.asked <= v.at <= call.answered + MOMENT]
    newest = [v.said.orders[-1] for v in asked if v.said and v.said.orders]
    for order in newest:
        for accepted in events if order.kind is OrderKind.SKIP else ():
            place = order.positions.get(accepted.partition, 0)
            where = f"{accepted.kind} of {accepted.blog}/{accepted.entry}"
            if accepted.at < call.asked and accepted.offset >= place:
                yield f"{call.name} was told to skip, but not {where}"
            if accepted.at > call.answered and accepted.offset < place:
                yield f"{call.name} was told to skip {where}, which came afterwards"
