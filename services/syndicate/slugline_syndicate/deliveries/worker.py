"""One subscription at work: its lanes, one for each partition that has something to deliver.

A lane is a task only while there is work; idle, it is a number in a list of positions. One request
is under way in a lane, and at most four in a subscription.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from slugline.clock import rfc3339
from slugline.events import EventType
from slugline.view.entries import EventRef
from slugline_syndicate.deliveries.body import own_id, test_body
from slugline_syndicate.deliveries.context import Context, attempt
from slugline_syndicate.deliveries.lane import Lane, Step
from slugline_syndicate.deliveries.progress import Progress
from slugline_syndicate.deliveries.subscription import Order, OrderKind, Subscription

#: Events after which a lane lets another of the same subscription have its turn.
TURN = 16

logger = structlog.get_logger()


class Worker:
    """The deliveries of one subscription, as long as this process owns them."""

    __slots__ = ("_busy", "_context", "_ordering", "_ready", "_stopping", "partition", "progress")

    def __init__(self, partition: int, progress: Progress, context: Context) -> None:
        #: Of the subscription's cursor.
        self.partition = partition
        self.progress = progress
        self._context = context
        #: Partitions whose lane may run, in turn; those whose event waits have a timer instead.
        self._ready: dict[int, None] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._ordering: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def subscription(self) -> Subscription:
        """What is wanted."""
        return self.progress.subscription

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._busy) or self._ordering is not None

    # --- life -----------------------------------------------------------------------------------------

    def start(self, known: int) -> None:
        """Look for work in every partition; filters up to revision *known* judged what was passed."""
        self._look_back(self.subscription.known_at(known), known)
        self._again_at(self.progress.health.until, self.pump)
        self._look_at_all()

    def update(self, subscription: Subscription) -> None:
        """The subscription is another now: take its orders, its URL, its filter."""
        before = self.subscription
        if subscription.revision < before.revision:  # while a view is rebuilt
            return
        self.progress.subscription = subscription.for_lanes()
        if subscription.filters != before.filters:
            self._look_back(before, before.filter.revision)
        self.pump()

    def wake(self, ref: EventRef) -> None:
        """The event at *ref*, which is wanted, has arrived."""
        p = ref.partition
        self.progress.has_work(ref)
        if p not in self._busy and p not in self._ready and not self._head_waits(p):
            self._make_ready(p)
            self.pump()

    def arrived(self, ref: EventRef) -> None:
        """The event at *ref* has arrived; a lane that is under way comes to it by itself."""
        if ref.partition not in self._busy and self.subscription.wants(ref):
            self.wake(ref)

    def freeze(self) -> None:
        """Start nothing more, and count nothing as seen from now on: nobody will tell this worker."""
        self._stopping = True
        self.progress.freeze()

    async def cut(self, within: float) -> None:
        """Cut every request that is not answered *within* seconds; nobody is charged."""
        tasks = [*self._busy.values(), *([self._ordering] if self._ordering else [])]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=within)

    # --- lanes ----------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Start what may be started now."""
        self._pump_orders()
        while self._ready and len(self._busy) < self.progress.health.at_once and self._open():
            p = next(iter(self._ready))
            del self._ready[p]
            self._busy[p] = asyncio.get_running_loop().create_task(self._run(p))

    def _open(self) -> bool:
        health, subscription = self.progress.health, self.progress.subscription
        return (
            not self._stopping
            and not subscription.paused
            and not health.disabled
            and (health.until is None or not self._waits(health.until))
            and not (subscription.orders and self._ordered_to_wait())
            and self._context.gate.is_open(self.pump)
        )

    def _ordered_to_wait(self) -> bool:
        return any(order.kind is not OrderKind.TEST for order in self.progress.orders())

    async def _run(self, p: int) -> None:
        lane = Lane(p, self.progress, self._context)
        step, left = Step.NEXT, TURN
        try:
            while step is Step.NEXT and self._open():
                step = await lane.step()
                left -= 1
                if self._ready and left <= 0:
                    break
        except Exception:
            # A fault of ours: the lane tries again, everybody else goes on.
            logger.exception("lane.failed", subscription_id=self.subscription.id, partition=p)
            lane.hold_after_fault()
        finally:
            del self._busy[p]
            self._again_at(self.progress.health.until, self.pump)
            if step is not Step.IDLE:
                self._wake_or_wait(p)
            self.pump()

    def _look_at_all(self) -> None:
        for p in sorted(self.progress.behind):
            self._wake_or_wait(p)
        self.pump()

    def _look_back(self, before: Subscription, known: int) -> None:
        """Filters after revision *known* hold from the places at which they were asked for: find
        what arrived meanwhile, and was judged as it was *before*."""
        wanted = self.subscription
        for p, since in wanted.changed_since(known).items():
            refs = self._context.source.between(p, since, self.progress.seen(p))
            missed = [ref for ref in refs if wanted.wants(ref) and not before.wants(ref)]
            if missed:
                self.progress.add_missed(p, missed)
                self._wake_or_wait(p)

    def _make_ready(self, p: int) -> None:
        """Let the lane of *p* run in its turn. A busy one looks for itself before it ends."""
        if p not in self._busy and not self._stopping:
            self._ready[p] = None

    def _wake_or_wait(self, p: int) -> None:
        """Make a lane ready; where the event at its head waits, when that is over."""
        if self._head_waits(p):
            self._again_at(self.progress.heads[p].until, partial(self._wake_or_wait, p))
        else:
            self._make_ready(p)
            self.pump()

    # --- time -----------------------------------------------------------------------------------------

    def _waits(self, until: datetime | None) -> bool:
        return until is not None and self._context.clock.now() < until

    def _head_waits(self, p: int) -> bool:
        head = self.progress.heads.get(p)
        return head is not None and self._waits(head.until)

    def _again_at(self, until: datetime | None, then: Callable[[], None]) -> None:
        """Call *then* once *until* is over by the wall clock, which may be set meanwhile."""
        if until is None or self._stopping:
            return
        left = (until - self._context.clock.now()).total_seconds()
        if left > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(left + 0.001, self._again_at, until, then)
        else:
            then()

    # --- orders ---------------------------------------------------------------------------------------

    def _pump_orders(self) -> None:
        if (
            self._ordering is None
            and not self._stopping
            and self._may_carry_out(self.progress.orders())
        ):
            self._ordering = asyncio.get_running_loop().create_task(self._carry_out())

    def _may_carry_out(self, orders: list[Order]) -> bool:
        """A test goes out beside the lanes; the others change what an answer under way would change."""
        if not orders or (self._busy and orders[0].kind is not OrderKind.TEST):
            return False
        return self._context.gate.is_open(self.pump)

    async def _carry_out(self) -> None:
        order = self.progress.orders()[0]
        try:
            await self._carry_out_one(order)
        except Exception:
            logger.exception("order.failed", subscription_id=self.subscription.id)
            self._carried_out(order)  # once more would end the same
        finally:
            self._ordering = None
            if not self._stopping:
                self._look_at_all()

    async def _carry_out_one(self, order: Order) -> None:
        if order.kind is OrderKind.TEST:
            await self._send_test(order)
        else:
            self.progress.start_afresh()
            if order.kind is OrderKind.SKIP:
                self.progress.skip_to(order.positions)
        self._carried_out(order)

    def _carried_out(self, order: Order) -> None:
        self.progress.order = order.number
        self._context.moved(self.progress)

    async def _send_test(self, order: Order) -> None:
        name = self.subscription.id
        event_id = own_id(EventType.SUBSCRIPTION_TEST, name, order.number)
        body = test_body(name, order.number, rfc3339(order.at))
        kind, now = EventType.SUBSCRIPTION_TEST, self._context.clock.now()
        await attempt(self._context, self.progress, event_id, kind, 1, body, now)
