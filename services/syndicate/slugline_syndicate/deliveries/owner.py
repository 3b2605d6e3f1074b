"""The owner: which subscriptions this process works for, by claims in the log.

Ownership of a partition is told by the log's group; it can be lost at any await, and two processes
may believe in it at once for a moment. So an owner publishes a claim, reads up to it, and only then
starts; the claim's offset is its epoch, in every cursor that it writes. Whoever reads a later claim
stops.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from slugline.errors import LogError
from slugline.log import Log, TopicPartition
from slugline.topics import CURSORS, ENTRIES
from slugline.view.entries import EntriesView, EventRef
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.context import Context
from slugline_syndicate.deliveries.cursor import Cursor, claim, deleted_cursor
from slugline_syndicate.deliveries.flusher import Flusher
from slugline_syndicate.deliveries.lease import TOPICS
from slugline_syndicate.deliveries.matching import Matcher
from slugline_syndicate.deliveries.progress import Progress, begins, no_further
from slugline_syndicate.deliveries.projections import CursorsView, SubscriptionsView
from slugline_syndicate.deliveries.subscription import Subscription
from slugline_syndicate.deliveries.worker import Worker

GROUP = "slugline-deliver"
#: How long requests under way may take once ownership or the lease is over, in seconds.
CUT = 1.0
#: How long to wait before claiming again after another's claim: two heartbeats, in seconds.
CLAIM_AGAIN = 2.0
#: How long one step of acquiring may take, in seconds.
STEP = 5.0
#: How often cursors that only skipped events are written, in seconds.
HOUR = 3600.0

logger = structlog.get_logger()


class Owner:
    """Starts and stops the workers of the partitions that are ours."""

    def __init__(
        self,
        name: str,
        log: Log,
        tail: Tail,
        entries: EntriesView,
        subscriptions: SubscriptionsView,
        cursors: CursorsView,
        context: Context,
        flusher: Flusher,
    ) -> None:
        self._name = name
        self._log = log
        self._tail = tail
        self._subscriptions = subscriptions
        self._cursors = cursors
        self._context = context
        self._flusher = flusher
        self._share: frozenset[int] = frozenset()
        self._epochs: dict[int, int] = {}
        self._workers: dict[str, Worker] = {}
        self._acquiring: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        #: One bound method for all of them: ten thousand would be ten thousand.
        self._end_of_view = context.source.end
        #: Where the entries end, by partition: asked of the log, since a view may be half built.
        self._ends: dict[int, int] = {}
        self._entries = entries
        #: The view's, of which the workers were made.
        self._generation = entries.generation
        self._matcher: Matcher[Worker] = Matcher()
        entries.listen(self._events_arrived)
        subscriptions.listen(self._subscriptions_changed)
        cursors.listen(self._claimed, self._zombie_wrote)

    @property
    def workers(self) -> Iterable[Worker]:
        """The workers at work."""
        return self._workers.values()

    @property
    def owned(self) -> int:
        """How many partitions are ours, claimed and read."""
        return len(self._epochs)

    async def run(self) -> None:
        """Take part in the group until cancelled; then give everything back."""
        try:
            async with self._log.own(CURSORS, GROUP, self.share_changed):
                while True:
                    await self._context.clock.sleep(HOUR)
                    for worker in self._workers.values():
                        self._flusher.add(worker.progress)
        finally:
            await self._given_back()

    async def share_changed(self, share: frozenset[int]) -> None:
        """Give up what is no longer ours, within 2 s; acquire what is.

        What was being given up already, too: whoever is told to come next must find it written.
        """
        self._share = share
        for p in sorted(set(self._acquiring) - share):
            self._acquiring.pop(p).cancel()
        lost = sorted(set(self._epochs) - share)
        if lost:
            self._to_its_end(self._hand_over(self._give_up(lost)))
        await self._given_back()
        for p in sorted(share - set(self._epochs) - set(self._acquiring)):
            self._acquire_soon(p, 0.0)

    def look(self) -> None:
        """The view is with the log. Where it was made anew meanwhile, begin anew from what it holds."""
        if self._generation != self._entries.generation:
            self._generation = self._entries.generation
            for p in sorted(self._epochs):
                self._yield_soon(p, 0.0)

    def cut(self) -> None:
        """Sending is not allowed any more: cut what is not answered within 1 s."""
        for worker in self._workers.values():
            if worker.busy:
                self._to_its_end(worker.cut(CUT))

    async def _given_back(self) -> None:
        if self._ending:
            await asyncio.wait(self._ending, timeout=2 * CUT)

    def _to_its_end(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let *ending* run whatever becomes of its caller."""
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    # --- partitions -----------------------------------------------------------------------------------

    def _acquire_soon(self, partition: int, delay: float) -> None:
        self._acquiring[partition] = asyncio.create_task(self._acquire(partition, delay))

    async def _acquire(self, partition: int, delay: float) -> None:
        await self._context.clock.sleep(delay)
        while partition in self._share:
            epoch = await self._claim(partition)
            if partition not in self._share:
                break
            if epoch is not None:
                self._begin(partition, epoch)
                break
            await self._context.clock.sleep(CLAIM_AGAIN)
        if self._acquiring.get(partition) is asyncio.current_task():
            del self._acquiring[partition]

    async def _claim(self, partition: int) -> int | None:
        """Publish a claim and read up to it; the epoch, or None where it is not the newest."""
        try:
            async with asyncio.timeout(STEP):
                (placed,) = await self._log.publish([claim(partition, self._name)])
                ends = dict(await self._log.ends(TOPICS))
                self._ends = {tp.partition: end for tp, end in ends.items() if tp.topic == ENTRIES}
                await self._tail.reached(
                    ends | {TopicPartition(CURSORS, partition): placed.offset + 1}
                )
        except (LogError, TimeoutError) as error:
            logger.warning("claim.failed", partition=partition, reason=str(error) or "timeout")
            return None
        newest = self._cursors.newest_claim(partition)
        return placed.offset if newest == placed.offset else None

    def _begin(self, partition: int, epoch: int) -> None:
        self._epochs[partition] = epoch
        self._context.metrics.owned_partitions.set(len(self._epochs))
        ahead = []
        for subscription in self._subscriptions.in_partition(partition):
            cursor = self._cursors.get(subscription.id)
            begin = begins(subscription, cursor)
            if any(begin.get(p, 0) > end for p, end in self._ends.items()):
                ahead.append(subscription)
            else:
                self._employ(subscription, cursor, partition)
        if ahead:
            self._to_its_end(self._begin_ahead(ahead, partition, epoch))

    async def _begin_ahead(self, ahead: Sequence[Subscription], partition: int, epoch: int) -> None:
        """Begin those that got further than the log went when it was asked; unless it goes so far by
        now, it has lost its newest records, and they go on at its end."""
        while self._epochs.get(partition) == epoch:
            try:
                ends = await self._log.ends([ENTRIES])
            except LogError:
                await self._context.clock.sleep(CLAIM_AGAIN)
                continue
            limits = {tp.partition: end for tp, end in ends.items()}
            for each in ahead if self._epochs.get(partition) == epoch else ():
                if each.id not in self._workers and self._subscriptions.get(each.id):
                    cursor = no_further(each, self._cursors.get(each.id), limits)
                    self._employ(each, cursor, partition)
            return

    def _give_up(self, partitions: Sequence[int]) -> list[Worker]:
        """Own *partitions* no more; who worked for them starts nothing from this moment on."""
        for p in partitions:
            self._epochs.pop(p, None)
        self._context.metrics.owned_partitions.set(len(self._epochs))
        workers = [worker for worker in self._workers.values() if worker.partition in partitions]
        for worker in workers:
            self._forget(worker)
        return workers

    async def _hand_over(self, workers: Sequence[Worker]) -> None:
        """End what is under way, and write down how far *workers* got."""
        await asyncio.gather(*(worker.cut(CUT) for worker in workers))
        for worker in workers:  # those that moved stand before those that only skipped events
            self._flusher.add(worker.progress)
        with suppress(TimeoutError):
            async with asyncio.timeout(CUT):
                await self._flusher.flush([worker.progress for worker in workers])

    def _claimed(self, partition: int, offset: int) -> None:
        """Another's later claim: it is the owner now, whatever the group told us."""
        mine = self._epochs.get(partition)
        if mine is None or offset <= mine:
            return
        logger.warning("claim.lost", partition=partition)
        self._yield_soon(partition, CLAIM_AGAIN)

    def _yield_soon(self, partition: int, again: float) -> None:
        workers = self._give_up([partition])
        task = asyncio.get_running_loop().create_task(self._yield(partition, workers, again))
        self._acquiring[partition] = task

    async def _yield(self, partition: int, workers: Sequence[Worker], again: float) -> None:
        await asyncio.shield(self._to_its_end(self._hand_over(workers)))
        if partition in self._share:
            await self._acquire(partition, again)
        elif self._acquiring.get(partition) is asyncio.current_task():
            del self._acquiring[partition]

    # --- workers --------------------------------------------------------------------------------------

    def _work_for(self, name: str, partition: int) -> None:
        subscription, worker = self._subscriptions.get(name), self._workers.get(name)
        if subscription is None:
            return
        if worker is None:
            self._employ(subscription, self._cursors.get(name), partition)
            return
        self._matcher.add(worker, subscription.blogs)
        worker.update(subscription)

    def _employ(self, subscription: Subscription, cursor: Cursor | None, partition: int) -> None:
        """Begin to work for *subscription*, from *cursor* on."""
        epoch, count = self._epochs[partition], len(self._ends)
        progress = Progress(subscription, cursor, epoch, count, self._end_of_view)
        if self._cursors.overlaid(subscription.id):
            self._flusher.add(progress)
        worker = self._workers[subscription.id] = Worker(partition, progress, self._context)
        self._matcher.add(worker, subscription.blogs)
        worker.start(cursor.filter if cursor else 0)

    def _forget(self, worker: Worker) -> None:
        worker.freeze()
        self._workers.pop(worker.subscription.id, None)
        self._matcher.remove(worker)

    # --- what arrives ---------------------------------------------------------------------------------

    def _events_arrived(self, refs: Sequence[EventRef]) -> None:
        for ref in refs:
            for worker in self._matcher.of(ref.blog_id):
                worker.arrived(ref)

    def _subscriptions_changed(self, names: Sequence[str]) -> None:
        for name in names:
            partition = self._subscriptions.partition_of(name)
            if partition is None:
                self._end(name)
            elif partition in self._epochs:
                self._work_for(name, partition)

    def _end(self, name: str) -> None:
        """The subscription was deleted: nothing more is sent, and its cursor goes."""
        worker = self._workers.get(name)
        if worker is None:
            return
        self._forget(worker)
        self._flusher.drop(name)
        self._flusher.also(deleted_cursor(name))
        self._to_its_end(worker.cut(0.0))

    def _zombie_wrote(self, name: str) -> None:
        worker = self._workers.get(name)
        if worker is not None:
            self._flusher.add(worker.progress)
