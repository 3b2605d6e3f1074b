"""One subscription at work: its lanes, one for each partition that has something to deliver.

A lane is a task only while there is work; idle, it is a number in a list of positions. One request
is under way in a lane, and at most four in a subscription.
"""

import asyncio
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from random import Random

import structlog

from slugline.clock import Clock, rfc3339
from slugline.errors import LogError
from slugline.events import EventType
from slugline.log import Log
from slugline.telemetry import Metrics
from slugline.view.entries import EventRef
from slugline.view.entry_tables import REVISIONS_KEPT
from slugline_syndicate.deliveries.body import gap_body, own_id, test_body
from slugline_syndicate.deliveries.cursor import Cursor
from slugline_syndicate.deliveries.exchange import Answer, Exchange, Request
from slugline_syndicate.deliveries.history import Attempt, DeadLetter, encode_dead_letter
from slugline_syndicate.deliveries.policy import OUR_FAULT_WAIT, Head, Health, Verdict, judge
from slugline_syndicate.deliveries.sealing import SealBrokenError
from slugline_syndicate.deliveries.signing import signed_headers
from slugline_syndicate.deliveries.source import EventSource
from slugline_syndicate.deliveries.subscription import Order, OrderKind, Subscription

#: Attempts that wait to be flushed, of one subscription; older ones go first.
ATTEMPTS_WAITING = 500

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every worker of a process shares.

    *may_send* says whether requests may be started now; *dirty* is told of a cursor that moved.
    """

    clock: Clock
    rng: Random
    log: Log
    exchange: Exchange
    source: EventSource
    unseal: Callable[[str], str]
    may_send: Callable[[], bool]
    dirty: Callable[["Worker"], None]
    metrics: Metrics


class Worker:
    """The deliveries of one subscription, as long as this process owns them."""

    __slots__ = (
        "_behind",
        "_busy",
        "_context",
        "_due",
        "_gaps",
        "_heads",
        "_health",
        "_order",
        "_ordering",
        "_positions",
        "_ready",
        "_stopping",
        "attempts",
        "epoch",
        "subscription",
    )

    def __init__(
        self, subscription: Subscription, cursor: Cursor | None, epoch: int, context: Context
    ) -> None:
        self.subscription = subscription
        self.epoch = epoch
        self.attempts: list[Attempt] = []
        self._context = context
        count = context.source.partitions()
        start = cursor.positions if cursor else subscription.start
        self._positions = array("q", [start.get(p, 0) for p in range(count)])
        self._health = cursor.health if cursor else Health()
        self._heads: dict[int, Head] = dict(cursor.heads) if cursor else {}
        self._gaps: dict[int, int] = dict(cursor.gaps) if cursor else {}
        self._order = cursor.order if cursor else 0
        #: Partitions that may hold work; in all others everything up to the view's end was seen.
        self._behind: set[int] = set()
        self._due: dict[int, datetime] = {}
        self._ready: dict[int, None] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._ordering: asyncio.Task[None] | None = None
        self._stopping = False

    # --- what others ask ----------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """How the endpoint has behaved."""
        return self._health

    def cursor(self) -> Cursor:
        """The cursor as it should stand in the log now."""
        end = self._context.source.end
        return Cursor(
            subscription_id=self.subscription.id,
            epoch=self.epoch,
            positions={
                p: offset if p in self._behind else max(offset, end(p))
                for p, offset in enumerate(self._positions)
            },
            health=self._health,
            heads={p: h for p, h in self._heads.items() if h.offset >= self._positions[p]},
            gaps=dict(self._gaps),
            order=self._order,
        )

    def state(self) -> str:
        """active, waiting, paused or disabled."""
        if self._health.disabled:
            return "disabled"
        if self.subscription.paused:
            return "paused"
        return "waiting" if self._health.failures else "active"

    def oldest(self) -> datetime | None:
        """When the oldest event was written that waits; None where nothing does, or nobody wants it."""
        if self.state() in ("paused", "disabled"):
            return None
        return min(self._due.values(), default=None)

    # --- life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look for work in every partition."""
        for p, offset in enumerate(self._positions):
            if offset < self._context.source.end(p):
                self._behind.add(p)
                self._wake_or_wait(p)
        self._again_at(self._health.until, self.pump)
        self.pump()

    def update(self, subscription: Subscription) -> None:
        """The subscription is another now: take its orders, its URL, its filter."""
        if subscription.revision >= self.subscription.revision:  # less while a view is rebuilt
            self.subscription = subscription
            self.pump()

    def wake(self, partition: int) -> None:
        """An event that is wanted has arrived in *partition*."""
        self._behind.add(partition)
        if partition not in self._busy and not self._head_waits(partition):
            self._ready[partition] = None
            self.pump()

    def freeze(self) -> None:
        """Start nothing more, and count nothing as seen from now on: nobody will tell this worker."""
        self._stopping = True
        for p in range(len(self._positions)):
            if p not in self._behind:
                self._positions[p] = max(self._positions[p], self._context.source.end(p))
        self._behind.update(range(len(self._positions)))

    async def cut(self, within: float) -> None:
        """Cut every request that is not answered *within* seconds; nobody is charged."""
        tasks = [*self._busy.values(), *([self._ordering] if self._ordering else [])]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=within)

    def pump(self) -> None:
        """Start what may be started now."""
        self._pump_orders()
        while self._ready and len(self._busy) < self._health.at_once and self._open():
            p = next(iter(self._ready))
            del self._ready[p]
            self._busy[p] = asyncio.get_running_loop().create_task(self._lane(p))

    def _open(self) -> bool:
        return (
            not self._stopping
            and not self.subscription.paused
            and not self._health.disabled
            and not self._waits(self._health.until)
            and not any(order.kind is not OrderKind.TEST for order in self._orders())
            and self._context.may_send()
        )

    def _waits(self, until: datetime | None) -> bool:
        return until is not None and self._context.clock.now() < until

    def _head_waits(self, p: int) -> bool:
        head = self._heads.get(p)
        return head is not None and self._waits(head.until)

    def _wake_or_wait(self, p: int) -> None:
        """Make a lane ready; where the event at its head waits, when that is over."""
        if self._head_waits(p):
            self._again_at(self._heads[p].until, partial(self._wake_or_wait, p))
        else:
            self._ready[p] = None
            self.pump()

    def _again_at(self, until: datetime | None, then: Callable[[], None]) -> None:
        """Call *then* once *until* is over by the wall clock, which may be set meanwhile."""
        if until is None or self._stopping:
            return
        left = (until - self._context.clock.now()).total_seconds()
        loop = asyncio.get_running_loop()
        if left > 0:
            loop.call_later(left + 0.001, self._again_at, until, then)
        else:
            then()

    # --- lanes ----------------------------------------------------------------------------------------

    async def _lane(self, p: int) -> None:
        more = True
        try:
            while more and self._open():
                ref = await self._next(p)
                if ref is None:
                    more = False
                    if not self._stopping:
                        self._behind.discard(p)
                elif not await self._deliver(p, ref) or self._ready:
                    break
        except Exception:
            # A fault of ours: the lane tries again, everybody else goes on.
            logger.exception("lane.failed", subscription_id=self.subscription.id, partition=p)
            self._hold(p, Head(offset=self._positions[p], until=self._soon()))
        finally:
            del self._busy[p]
            if more and not self._stopping:
                self._wake_or_wait(p)
            self.pump()

    def _soon(self) -> datetime:
        return self._context.clock.now() + OUR_FAULT_WAIT

    async def _next(self, p: int) -> EventRef | None:
        """The next event that is wanted, with the position at it; None: there is none yet."""
        source = self._context.source
        while True:
            refs = source.from_offset(p, self._positions[p])
            for ref in refs:
                self._positions[p] = ref.offset
                if self.subscription.wants(ref):
                    self._due[p] = ref.written_at
                    return ref
            if not refs:
                self._positions[p] = max(self._positions[p], source.end(p))
                return None
            self._positions[p] = refs[-1].offset + 1
            await self._context.clock.sleep(0)

    async def _deliver(self, p: int, ref: EventRef) -> bool:
        """Do one attempt for *ref*, or pass it by; whether the lane may go on at once."""
        body = self._context.source.body(ref)
        if body is None or self._in_gap(p, ref):
            self._advance(p, ref, "superseded")
            return True
        if self._is_behind(p, ref):
            return await self._tell_gap(p, ref)
        head = self._head(p, ref)
        answer = await self._attempt(ref.id, ref.type, head.attempts + 1, body)
        return await self._settle(p, ref, head, answer)

    async def _settle(self, p: int, ref: EventRef, head: Head, answer: Answer) -> bool:
        context = self._context
        judged = judge(self._health, head, answer, context.clock.now(), context.rng)
        if judged.verdict is Verdict.DEAD and not await self._bury(ref, judged.head, judged.reason):
            self._hold(p, replace(head, until=self._soon()))
            return False
        self._health = judged.health
        if judged.verdict is Verdict.DELIVERED:
            self._advance(p, ref, "delivered")
            return True
        if judged.verdict is Verdict.DEAD:
            self._advance(p, ref, "dead")
        else:
            context.metrics.deliveries.labels("again").inc()
            self._hold(p, judged.head)
        self._again_at(self._health.until, self.pump)
        return judged.verdict is Verdict.DEAD

    def _advance(self, p: int, ref: EventRef, outcome: str) -> None:
        self._positions[p] = ref.offset + 1
        self._heads.pop(p, None)
        self._due.pop(p, None)
        self._context.metrics.deliveries.labels(outcome).inc()
        self._context.dirty(self)

    def _hold(self, p: int, head: Head) -> None:
        """Keep the lane at its event."""
        self._heads[p] = head
        self._context.dirty(self)

    def _head(self, p: int, ref: EventRef) -> Head:
        head = self._heads.get(p)
        return head if head and head.offset == ref.offset else Head(offset=ref.offset)

    async def _bury(self, ref: EventRef, head: Head, reason: str) -> bool:
        """Write the dead letter of *ref*, acknowledged before its position passes."""
        context = self._context
        letter = DeadLetter(
            event=ref.id,
            type=ref.type,
            blog=ref.blog_id,
            entry=ref.entry_id,
            sequence=context.source.sequence(ref),
            partition=ref.partition,
            offset=ref.offset,
            reason=reason,
            attempts=head.attempts,
            at=rfc3339(context.clock.now()),
        )
        try:
            await context.log.publish([encode_dead_letter(self.subscription.id, letter)])
        except LogError:
            return False
        return True

    # --- gaps -----------------------------------------------------------------------------------------

    def _is_behind(self, p: int, ref: EventRef) -> bool:
        """Whether revisions before *ref* may be missing, and that was not told yet."""
        old = ref.written_at < self._context.clock.now() - REVISIONS_KEPT
        return old and p not in self._gaps

    def _in_gap(self, p: int, ref: EventRef) -> bool:
        """Whether *ref* is passed by because a newer revision comes, the gap having been told."""
        if p not in self._gaps:
            return False
        if ref.offset >= self._gaps[p]:
            del self._gaps[p]
            return False
        return self._context.source.superseded(ref)

    async def _tell_gap(self, p: int, ref: EventRef) -> bool:
        source, name = self._context.source, self.subscription.id
        event_id = own_id(EventType.SUBSCRIPTION_GAP, name, ref.offset, p)
        body = gap_body(name, source.sequence(ref), rfc3339(ref.time))
        head = self._head(p, ref)
        kind = EventType.SUBSCRIPTION_GAP
        answer = await self._attempt(event_id, kind, head.attempts + 1, body)
        told = answer.success
        if not told:
            return await self._settle(p, ref, head, answer)
        self._gaps[p] = source.end(p)
        self._health = judge(
            self._health, head, answer, self._context.clock.now(), self._context.rng
        ).health
        self._context.dirty(self)
        return True

    # --- attempts -------------------------------------------------------------------------------------

    async def _attempt(self, event_id: str, kind: str, number: int, body: bytes) -> Answer:
        context, subscription = self._context, self.subscription
        started = context.clock.now()
        try:
            secrets = [context.unseal(sealed) for sealed in subscription.secrets]
        except SealBrokenError as error:
            return Answer(error=f"sealed: {error}", our_fault=True)
        headers = signed_headers(secrets, event_id, started, body)
        answer = await context.exchange.post(
            Request(url=subscription.url, headers=headers, body=body)
        )
        context.metrics.attempt_seconds.observe(answer.duration.total_seconds())
        self._note(event_id, kind, number, answer, rfc3339(started))
        return answer

    def _note(self, event_id: str, kind: str, number: int, answer: Answer, started: str) -> None:
        self.attempts.append(
            Attempt(
                event=event_id,
                type=kind,
                number=number,
                status=answer.status,
                error=answer.error,
                started=started,
                duration_ms=round(answer.duration.total_seconds() * 1000),
            )
        )
        del self.attempts[:-ATTEMPTS_WAITING]
        self._context.dirty(self)

    # --- orders ---------------------------------------------------------------------------------------

    def _orders(self) -> list[Order]:
        return [order for order in self.subscription.orders if order.number > self._order]

    def _pump_orders(self) -> None:
        if (
            self._ordering is None
            and not self._stopping
            and self._orders()
            and self._context.may_send()
        ):
            self._ordering = asyncio.get_running_loop().create_task(self._carry_out())

    async def _carry_out(self) -> None:
        try:
            while (orders := self._orders()) and not self._stopping:
                await self._carry_out_one(orders[0])
                self._order = orders[0].number
                self._context.dirty(self)
        finally:
            self._ordering = None
            self.pump()

    async def _carry_out_one(self, order: Order) -> None:
        if order.kind is OrderKind.TEST:
            name = self.subscription.id
            event_id = own_id(EventType.SUBSCRIPTION_TEST, name, order.number)
            body = test_body(name, order.number, rfc3339(order.at))
            await self._attempt(event_id, EventType.SUBSCRIPTION_TEST, 1, body)
            return
        self._health = Health(last_success=self._health.last_success)
        self._heads.clear()
        if order.kind is OrderKind.SKIP:
            for p, offset in order.positions.items():
                self._positions[p] = max(self._positions[p], offset)
