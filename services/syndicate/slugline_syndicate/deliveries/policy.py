"""What an answer means for a delivery and for its subscription: the failure rules, pure.

Failure belongs to the subscription, progress to its partitions. *Endpoint trouble* makes the whole
subscription wait and gives nothing up; a *refusal* is about one event. Our own faults are charged
to nobody.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random
from typing import NamedTuple

from slugline_syndicate.deliveries.exchange import Answer

#: How long a subscription waits after its 1st, 2nd, … failure in a row; the last one from then on.
WAITS = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800))
JITTER = 0.2
#: How long a lane waits before it tries a refused event again.
REFUSAL_WAITS = tuple(timedelta(seconds=s) for s in (5, 30))
#: Dead letters in a row after which a refusal counts as endpoint trouble.
DEAD_IN_A_ROW = 3
#: An event that was answered 5xx so often, over so long, is refused after all.
SERVER_ERRORS = 10
SERVER_ERRORS_OVER = timedelta(hours=12)
#: An endpoint that failed for so long is disabled.
DISABLED_AFTER = timedelta(hours=120)
#: Requests under way at once for one subscription.
AT_ONCE = 4
#: How long a lane waits after a fault of our own.
OUR_FAULT_WAIT = timedelta(seconds=5)
#: How exactly the last success is known: it is for people, and each later one makes a new `Health`.
LAST_SUCCESS_WITHIN = timedelta(seconds=1)

_TROUBLE = frozenset({408, 429})


class Verdict(Enum):
    """What becomes of a delivery after an attempt."""

    DELIVERED = auto()
    AGAIN = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an endpoint has behaved. *at_once* is how many requests may be under way (slow start).

    *failing_since* is the first failure after the last success, *failures* how many in a row,
    *until* when it may be asked again, *dead* how many dead letters in a row. *last_success* is
    exact to a second.
    """

    failing_since: datetime | None = None
    failures: int = 0
    until: datetime | None = None
    reason: str = ""
    dead: int = 0
    at_once: int = AT_ONCE
    disabled: str = ""
    disabled_at: datetime | None = None
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How the event at the head of a lane has fared; with *gap*, the telling of one before it.

    *attempts* counts those that were charged.
    """

    offset: int
    gap: bool = False
    attempts: int = 0
    refusals: int = 0
    server_errors: int = 0
    first_server_error: datetime | None = None
    until: datetime | None = None


class Judgement(NamedTuple):
    """The new state of endpoint and event, and what becomes of the delivery, with the reason."""

    health: Health
    head: Head
    verdict: Verdict
    reason: str = ""


def judge(health: Health, head: Head, answer: Answer, now: datetime, rng: Random) -> Judgement:
    """What *answer*, received at *now*, means."""
    if answer.our_fault:
        return Judgement(health, replace(head, until=now + OUR_FAULT_WAIT), Verdict.AGAIN)
    if answer.success:
        return Judgement(_recovered(health, now), head, Verdict.DELIVERED)
    tried = replace(head, attempts=head.attempts + 1, until=None)
    if answer.status == 410:
        gone = replace(health, disabled="the endpoint answered 410 Gone", disabled_at=now)
        return Judgement(gone, tried, Verdict.AGAIN)
    if is_trouble(answer) or health.dead >= DEAD_IN_A_ROW:
        return _trouble(health, tried, answer, now, rng)
    return _refused(health, tried, answer, now)


def is_routine(health: Health, answer: Answer, now: datetime) -> bool:
    """Whether *answer* is one more success of a healthy endpoint: `judge` would change nothing."""
    return answer.success and health.until is None and _is_known_healthy(health, now)


def is_trouble(answer: Answer) -> bool:
    """Whether *answer* speaks against the endpoint and not against the one event."""
    status = answer.status
    return status is None or status < 400 or status >= 500 or status in _TROUBLE


def _recovered(health: Health, now: datetime) -> Health:
    if health.until is not None and now < health.until:
        # It was under way when another lane was told to wait: the wait stands.
        return replace(health, dead=0, last_success=now)
    if _is_known_healthy(health, now):
        return health
    return Health(
        at_once=min(health.at_once + 1, AT_ONCE),
        last_success=now,
        # A success that was under way when another lane was told 410 does not undo that.
        disabled=health.disabled,
        disabled_at=health.disabled_at,
    )


def _is_known_healthy(health: Health, now: datetime) -> bool:
    success = health.last_success
    return (
        success is not None
        and success <= now < success + LAST_SUCCESS_WITHIN
        and health.at_once == AT_ONCE
        and not health.failures
        and not health.dead
    )


def _trouble(health: Health, head: Head, answer: Answer, now: datetime, rng: Random) -> Judgement:
    since = health.failing_since or now
    if health.until is not None and now < health.until:
        # It was under way when the wait began: the same failure, told twice.
        longest = max(health.until, now + (answer.retry_after or timedelta(0)))
        return _worn_out(replace(health, until=longest), head, answer, now)
    wait = WAITS[min(health.failures, len(WAITS) - 1)] * rng.uniform(1 - JITTER, 1 + JITTER)
    if answer.retry_after is not None:
        wait = max(wait, answer.retry_after)
    reason = reason_of(answer)
    waiting = replace(
        health,
        failing_since=since,
        failures=health.failures + 1,
        until=now + wait,
        reason=reason,
        at_once=1,
    )
    if now - since >= DISABLED_AFTER:
        hours = int(DISABLED_AFTER.total_seconds() // 3600)
        waiting = replace(waiting, disabled=f"no success for {hours} h ({reason})", disabled_at=now)
    return _worn_out(waiting, head, answer, now)


def _worn_out(health: Health, head: Head, answer: Answer, now: datetime) -> Judgement:
    """One event may make an endpoint fail again and again; it must not hold the rest for ever."""
    if answer.status is None or answer.status < 500:
        return Judgement(health, head, Verdict.AGAIN)
    first = head.first_server_error or now
    head = replace(head, server_errors=head.server_errors + 1, first_server_error=first)
    worn = head.server_errors >= SERVER_ERRORS and now - first >= SERVER_ERRORS_OVER
    if worn and health.dead < DEAD_IN_A_ROW:
        reason = f"answered with {answer.status}, {head.server_errors} times over {now - first}"
        return Judgement(replace(health, dead=health.dead + 1), head, Verdict.DEAD, reason)
    return Judgement(health, head, Verdict.AGAIN)


def _refused(health: Health, head: Head, answer: Answer, now: datetime) -> Judgement:
    head = replace(head, refusals=head.refusals + 1)
    if head.refusals <= len(REFUSAL_WAITS):
        head = replace(head, until=now + REFUSAL_WAITS[head.refusals - 1])
        return Judgement(health, head, Verdict.AGAIN)
    health = replace(health, dead=health.dead + 1)
    reason = f"refused with {answer.status}, {head.refusals} times"
    return Judgement(health, head, Verdict.DEAD, reason)


def reason_of(answer: Answer) -> str:
    """*answer* in a few words."""
    return answer.error or f"answered {answer.status}"
