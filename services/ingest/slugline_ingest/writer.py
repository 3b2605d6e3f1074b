"""The writer: every write to a blog, polled or pushed, goes through here.

There is no store of what was seen: what has been seen is the log. A write takes the blog's lock,
reads the view up to the log's end, plans, publishes, and waits until the view holds what it wrote.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.entry import Entry
from slugline.errors import LogUnavailableError, OutcomeUnknownError
from slugline.events import Event, EventType, encode
from slugline.log import Log, TopicPartition
from slugline.log.partition import partition_for
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES
from slugline.view.entries import EntriesView, EntryRow
from slugline.view.tail import Tail
from slugline_ingest.plan import Plan, State

#: How long a publish may take before its outcome counts as unknown, in seconds.
PUBLISH = 10.0
#: How often a lock that is kept after an unknown outcome asks for the log's end, in seconds.
ASK_AGAIN = 1.0

Planner = Callable[[Plan], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write did. *sequence* is the blog's newest; 0 for a blog that is still unknown."""

    blog: BlogId
    created: tuple[str, ...]
    updated: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    sequence: int
    note: str = ""


@dataclass
class _Lock:
    lock: asyncio.Lock
    users: int = 0


class BlogWriter:
    """Writes to blogs, one write at a time for each."""

    def __init__(
        self, log: Log, entries: EntriesView, tail: Tail, clock: Clock, metrics: Metrics
    ) -> None:
        self._log = log
        self._entries = entries
        self._tail = tail
        self._clock = clock
        self._metrics = metrics
        self._locks: dict[BlogId, _Lock] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    async def write(self, blog_id: BlogId, planner: Planner, *, restores: bool = False) -> Written:
        """Publish what *planner* puts into a plan made against the blog as it is now.

        *restores* says that the write may bring back what was withdrawn without its knowing.

        Raises:
            LogUnavailableError, LogFullError: nothing was written.
            OutcomeUnknownError: it may be written; the same write again is safe.
        """
        async with self._locked(blog_id) as lock:
            ends = await self._tail.catch_up([ENTRIES])
            plan = Plan(self._state(blog_id), self._clock.now())
            planner(plan)
            await self._publish(blog_id, plan.events, lock)
            if not restores:
                await self._withdraw_again(blog_id, plan, ends, lock)
            return self._written(blog_id, plan)

    def _state(self, blog_id: BlogId) -> State:
        return State(
            blog=self._entries.blog(blog_id),
            entries={row.entry.id: row for row in self._entries.entries(blog_id)},
            newest=self._entries.newest_event(blog_id),
        )

    async def _publish(self, blog_id: BlogId, events: list[Event], lock: _Lock) -> None:
        if not events:
            return
        try:
            async with asyncio.timeout(PUBLISH):
                offsets = await self._log.publish([encode(event) for event in events])
        except (OutcomeUnknownError, TimeoutError, asyncio.CancelledError) as error:
            self._keep_until_read(blog_id, lock)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise OutcomeUnknownError("the log did not acknowledge the write in time") from error
        for event in events:
            self._metrics.events.labels(event.type.value).inc()
        await self._applied({TopicPartition(o.topic, o.partition): o.offset + 1 for o in offsets})

    async def _applied(self, ends: dict[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(PUBLISH):
                await self._tail.reached(ends)
        except TimeoutError as error:
            raise OutcomeUnknownError("the write is in the log but not yet in the view") from error

    async def _withdraw_again(
        self, blog_id: BlogId, plan: Plan, ends: Mapping[TopicPartition, int], lock: _Lock
    ) -> None:
        """An update must not undo a withdrawal by another replica that it did not see."""
        unseen = self._unseen_withdrawals(blog_id, plan, ends)
        if not unseen:
            return
        again = Plan(self._state(blog_id), self._clock.now())
        for row, by in unseen:
            again.withdraw(row, by)
        await self._publish(blog_id, again.events, lock)

    def _unseen_withdrawals(
        self, blog_id: BlogId, plan: Plan, ends: Mapping[TopicPartition, int]
    ) -> list[tuple[EntryRow, str]]:
        """Entries that *plan* wrote over a withdrawal which came in after *ends*, and by whom it was."""
        written = {e.subject.id for e in plan.events if isinstance(e.subject, Entry)}
        partition = partition_for(blog_id.encode(), len(ends))
        start = ends[TopicPartition(ENTRIES, partition)]
        found = []
        for ref in self._entries.events_between(blog_id, start, 2**62):
            row = self._entries.entry(blog_id, ref.entry_id)
            if ref.type is EventType.ENTRY_DELETED and ref.entry_id in written and row:
                stored = self._entries.event_at(ref.partition, ref.offset)
                subject = stored.event.subject if stored and stored.event else None
                if not row.entry.withdrawn and isinstance(subject, Entry) and subject.withdrawn:
                    found.append((row, subject.withdrawn.by))
        return found

    def _written(self, blog_id: BlogId, plan: Plan) -> Written:
        newest = self._entries.newest_change(blog_id)
        return Written(
            blog=blog_id,
            created=tuple(plan.created),
            updated=tuple(plan.updated),
            deleted=tuple(plan.deleted),
            unchanged=plan.unchanged,
            sequence=newest[1] if newest else 0,
            note=plan.note,
        )

    # --- locks ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _locked(self, blog_id: BlogId) -> AsyncIterator[_Lock]:
        held = self._locks.setdefault(blog_id, _Lock(asyncio.Lock()))
        held.users += 1
        try:
            async with held.lock:
                yield held
        finally:
            self._release(blog_id, held)

    def _release(self, blog_id: BlogId, held: _Lock) -> None:
        held.users -= 1
        if not held.users:
            self._locks.pop(blog_id, None)

    def _keep_until_read(self, blog_id: BlogId, held: _Lock) -> None:
        """Let nobody else write to the blog until the log was read to its end once more."""
        # The lock is free only after this write has left it; the keeper queues for it at once, and
        # asyncio's locks are fair: it comes before everybody who asks from now on.
        held.users += 1
        task = asyncio.get_running_loop().create_task(self._keep(blog_id, held))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, blog_id: BlogId, held: _Lock) -> None:
        try:
            async with held.lock:
                while not await self._read_to_the_end():
                    await self._clock.sleep(ASK_AGAIN)
        finally:
            self._release(blog_id, held)

    async def _read_to_the_end(self) -> bool:
        try:
            await self._tail.catch_up([ENTRIES])
        except LogUnavailableError:
            return False
        return True
