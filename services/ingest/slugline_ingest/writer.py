"""The writer: every write to a blog, polled or pushed, goes through here.

There is no store of what was seen: what has been seen is the log. A write takes the blog's lock,
reads the view up to the log's end, plans, publishes, and waits until the view holds what it wrote.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.errors import LogError, LogUnavailableError, OutcomeUnknownError
from slugline.events import Event, encode
from slugline.log import Log, TopicPartition
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.known import KnownEntries
from slugline_ingest.plan import Plan, State
from slugline_ingest.undone import UndoneWithdrawals

#: How long a publish may take before its outcome counts as unknown, in seconds.
PUBLISH = 10.0
#: How long a write waits for the one before it, in seconds.
BUSY = 15.0

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
        self._undone = UndoneWithdrawals(entries)
        #: A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[BlogId, asyncio.Lock] = WeakValueDictionary()

    async def write(self, blog_id: BlogId, planner: Planner) -> Written:
        """Publish what *planner* puts into a plan made against the blog as it is now.

        Raises:
            LogUnavailableError, LogFullError, RecordRefusedError: nothing was written.
            OutcomeUnknownError: it may be written; the same write again is safe.
        """
        async with self._locked(blog_id):
            await self._tail.catch_up([ENTRIES])
            await self._mend(blog_id)
            plan = Plan(self._state(blog_id), self._clock.now())
            planner(plan)
            if not plan.events:
                return self._written(plan, blog_id)
            await self._publish(plan.events)
            again = await self._settle(blog_id)
            return self._written(plan, blog_id, again)

    def needs_mending(self, blog_id: BlogId) -> bool:
        """Whether the log holds something of the blog that nobody wanted."""
        undone = self._undone.find(blog_id, self._clock.now())
        return bool(undone or self._entries.overlaid(blog_id))

    async def mend(self, blog_id: BlogId) -> None:
        """Say again what a write that landed late has overlaid, or withdrawn text that it brought back.

        Several processes may do it at once: what they write has the same ids. Raises LogError.
        """
        async with self._locked(blog_id):
            await self._tail.catch_up([ENTRIES])
            await self._mend(blog_id)

    def _state(self, blog_id: BlogId) -> State:
        return State(
            blog=self._entries.blog(blog_id),
            entries=KnownEntries(self._entries, blog_id),
            newest=self._entries.newest_event(blog_id),
        )

    async def _publish(self, events: list[Event]) -> None:
        await self._append(events)
        for event in events:
            self._metrics.events.labels(event.type.value).inc()

    async def _append(self, events: list[Event]) -> None:
        try:
            async with asyncio.timeout(PUBLISH):
                offsets = await self._log.publish([encode(event) for event in events])
        except TimeoutError as error:
            raise OutcomeUnknownError("the log did not acknowledge the write in time") from error
        await self._applied({TopicPartition(o.topic, o.partition): o.offset + 1 for o in offsets})

    async def _applied(self, ends: dict[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(PUBLISH):
                await self._tail.reached(ends)
        except TimeoutError as error:
            raise OutcomeUnknownError("the write is in the log but not yet in the view") from error

    async def _settle(self, blog_id: BlogId) -> list[str]:
        """`_mend` after a write: whatever stops it, that write is written."""
        try:
            return await self._mend(blog_id)
        except LogError as error:
            raise OutcomeUnknownError("an entry was withdrawn meanwhile") from error

    async def _mend(self, blog_id: BlogId) -> list[str]:
        """Undo what nobody wanted; the entries that were withdrawn again."""
        overlaid = self._entries.overlaid(blog_id)
        if overlaid:  # the same records once more: they are no events
            await self._append(overlaid)
        return await self._withdraw_again(blog_id)

    async def _withdraw_again(self, blog_id: BlogId) -> list[str]:
        """Withdraw what a write brought back that did not see the withdrawal; whoever's write it was."""
        now = self._clock.now()
        undone = self._undone.find(blog_id, now)
        if undone:
            plan = Plan(self._state(blog_id), now)
            for row, by in undone:
                plan.withdraw(row, by)
            await self._publish(plan.events)
        return [row.entry.id for row, _ in undone]

    def _written(self, plan: Plan, blog_id: BlogId, again: Sequence[str] = ()) -> Written:
        newest = self._entries.newest_change(blog_id)
        return Written(
            blog=blog_id,
            created=tuple(name for name in plan.created if name not in again),
            updated=tuple(name for name in plan.updated if name not in again),
            deleted=(*plan.deleted, *again),
            unchanged=plan.unchanged,
            sequence=newest[1] if newest else 0,
            note=plan.note,
        )

    @asynccontextmanager
    async def _locked(self, blog_id: BlogId) -> AsyncIterator[None]:
        lock = self._locks.setdefault(blog_id, asyncio.Lock())
        try:
            async with asyncio.timeout(BUSY):
                await lock.acquire()
        except TimeoutError as error:
            raise LogUnavailableError("another write to this blog is under way") from error
        try:
            yield
        finally:
            lock.release()
