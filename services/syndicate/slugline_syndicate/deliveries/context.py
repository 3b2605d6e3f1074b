"""What every worker of a process shares, and how one attempt is made."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from slugline.clock import Clock
from slugline.log import Log
from slugline.telemetry import Metrics
from slugline_syndicate.deliveries.exchange import Answer, Exchange, Request
from slugline_syndicate.deliveries.gate import Gate
from slugline_syndicate.deliveries.history import Attempt
from slugline_syndicate.deliveries.policy import OUR_FAULT_WAIT
from slugline_syndicate.deliveries.progress import Progress
from slugline_syndicate.deliveries.sealing import SealBrokenError
from slugline_syndicate.deliveries.signing import signed_headers
from slugline_syndicate.deliveries.source import EventSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every worker of a process shares. *moved* is told of progress that is to be flushed."""

    clock: Clock
    rng: Random
    log: Log
    exchange: Exchange
    source: EventSource
    unseal: Callable[[str], str]
    gate: Gate
    moved: Callable[[Progress], None]
    metrics: Metrics

    def soon(self) -> datetime:
        """When to try again after a fault of our own."""
        return self.clock.now() + OUR_FAULT_WAIT


async def attempt(
    context: Context,
    progress: Progress,
    event_id: str,
    kind: str,
    number: int,
    body: bytes,
    started: datetime,
) -> Answer:
    """Send *body*, signed as *started* now, and note what came of it: the caller tells that
    *progress* moved."""
    subscription = progress.subscription
    try:
        secrets = [context.unseal(sealed) for sealed in subscription.secrets]
    except SealBrokenError as error:
        answer = Answer(error=f"sealed: {error}", our_fault=True)
        seconds = 0.0
    else:
        headers = signed_headers(secrets, event_id, started, body)
        answer = await context.exchange.post(Request(subscription.url, headers, body))
        seconds = answer.duration.total_seconds()
        context.metrics.attempt_seconds.observe(seconds)
    took = round(seconds * 1000)
    progress.note(Attempt(event_id, kind, number, answer.status, answer.error, started, took))
    return answer
