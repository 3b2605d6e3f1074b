"""Turns: the sources of one blog, polled one at a time, each at its interval."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline_ingest.fetching import Trouble
from slugline_ingest.sources import Source, SourceId
from slugline_ingest.sources.poll import Memory, Outcome, Poll
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Gift, Report, Result
from slugline_ingest.sources.schedule import after_failure, after_success

#: Told of every poll: the source, its report, and the one before.
OnPolled = Callable[[Source, Report, Report | None], Awaitable[None]]

logger = structlog.get_logger()


@dataclass
class Turn:
    """A source as it is polled. *due* is monotonic, in seconds."""

    source: Source
    due: float
    report: Report | None = None
    memory: Memory = field(default_factory=Memory)


class Turns:
    """Polls the sources of one blog until cancelled, or until it has none any more."""

    def __init__(
        self, blog_id: BlogId, sources: SourcesView, poll: Poll, clock: Clock, on_polled: OnPolled
    ) -> None:
        self._blog_id = blog_id
        self._sources = sources
        self._poll = poll
        self._clock = clock
        self._on_polled = on_polled
        self._turns: dict[SourceId, Turn] = {}
        self._changed = asyncio.Event()
        self._polling: tuple[Source, asyncio.Task[Outcome]] | None = None

    def report(self, source_id: SourceId) -> Report | None:
        """How the last poll of a source went, if this is who polled it."""
        turn = self._turns.get(source_id)
        return turn.report if turn else None

    @property
    def failing(self) -> int:
        """How many sources failed when they were last polled."""
        return sum(1 for turn in self._turns.values() if turn.report and turn.report.failures)

    def wake(self) -> None:
        """The blog's sources may have changed: what is no longer wanted is stopped at once."""
        self._changed.set()
        if self._polling and self._current(self._polling[0]) is None:
            self._polling[1].cancel()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            self._refresh()
            if not self._turns:
                return
            turn = min(self._turns.values(), key=lambda each: (each.due, each.source.id))
            if turn.due > self._clock.monotonic():
                await self._sleep_until(turn.due)
            else:
                await self._take(turn)

    def _current(self, source: Source) -> Source | None:
        """*source* where it still is what it was."""
        found = self._sources.get(source.blog_id, source.id)
        return found if found == source else None

    def _refresh(self) -> None:
        wanted = {source.id: source for source in self._sources.of_blog(self._blog_id)}
        for name in set(self._turns) - set(wanted):
            del self._turns[name]
        for name, source in wanted.items():
            turn = self._turns.get(name)
            if turn is None or turn.source != source:
                self._turns[name] = self._first_turn(source)

    def _first_turn(self, source: Source) -> Turn:
        """At once; but what an earlier owner was asked to wait for is waited for."""
        report = self._sources.report(source)
        wait = (report.next - self._clock.now()).total_seconds() if report else 0.0
        return Turn(source, self._clock.monotonic() + max(0.0, wait), report)

    async def _sleep_until(self, due: float) -> None:
        waits = [
            asyncio.ensure_future(self._until(due)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _until(self, due: float) -> None:
        # How long that is, is asked here: the task begins a moment after it was made.
        await self._clock.sleep(due - self._clock.monotonic())

    async def _take(self, turn: Turn) -> None:
        started, at = self._clock.monotonic(), self._clock.now()
        task = asyncio.get_running_loop().create_task(self._poll.once(turn.source, turn.memory))
        self._polling = turn.source, task
        try:
            await asyncio.wait([task])
        finally:
            self._polling = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if task.cancelled() or self._current(turn.source) is None:
            return
        outcome = _outcome_of(task, turn)
        took = self._clock.monotonic() - started
        before, failures = turn.report, _failures(turn.report, outcome)
        wait = _wait(turn.source, outcome, failures, took)
        turn.due = self._clock.monotonic() + wait
        turn.memory = outcome.memory
        turn.report = Report(
            at=at,
            next=self._clock.now() + timedelta(seconds=wait),
            of=turn.source.changed,
            result=outcome.result,
            trouble=outcome.trouble,
            status=outcome.status,
            reason=outcome.reason,
            unchanged=outcome.written.unchanged if outcome.written else 0,
            failures=failures,
            gave=_gift(at, outcome) or (before.gave if before else None),
        )
        await self._on_polled(turn.source, turn.report, before)


def _outcome_of(task: asyncio.Task[Outcome], turn: Turn) -> Outcome:
    """A fault of our own costs this source one poll, and nobody else anything."""
    error = task.exception()
    if error is None:
        return task.result()
    logger.error(
        "source.fault", blog_id=turn.source.blog_id, source_id=turn.source.id, exc_info=error
    )
    return Outcome(
        result=Result.FAILED,
        memory=Memory(),
        trouble=Trouble.INTERNAL,
        reason="a fault of this service; its log says more",
    )


def _failures(before: Report | None, outcome: Outcome) -> int:
    return (before.failures if before else 0) + 1 if outcome.result is Result.FAILED else 0


def _wait(source: Source, outcome: Outcome, failures: int, took: float) -> float:
    # That the log is away says nothing of the source: it is asked as usual once the log is back.
    if not failures or outcome.trouble is Trouble.LOG_AWAY:
        return after_success(source.interval, took)
    return after_failure(source.interval, failures, outcome.retry_after)


def _gift(at: datetime, outcome: Outcome) -> Gift | None:
    written = outcome.written
    if written is None or outcome.result is not Result.PUBLISHED:
        return None
    return Gift(
        at=at,
        created=len(written.created),
        updated=len(written.updated),
        deleted=len(written.deleted),
    )
