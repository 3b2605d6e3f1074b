"""The flusher: cursors that moved and attempts that were made, written four times a second."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from slugline.clock import Clock
from slugline.errors import LogError
from slugline.log import Log, Record
from slugline_syndicate.deliveries.cursor import encode_cursor
from slugline_syndicate.deliveries.history import Attempt, encode_attempts
from slugline_syndicate.deliveries.progress import Progress
from slugline_syndicate.deliveries.written import Written

#: How often cursors that moved are written, in seconds.
FLUSH = 0.25
#: Deliveries pause when writing has failed for so long, in seconds.
FAILING = 5.0
#: How long one write may take, in seconds.
WITHIN = 5.0
#: Subscriptions written at once: encoding one takes some 15 µs of the event loop.
BITE = 200
#: How long to wait between bites, in seconds. With thousands at work the view would otherwise fall
#: behind in reading this back, and the lease with it.
PACE = 0.2

logger = structlog.get_logger()


class Flusher:
    """Collects progress that moved, and writes it. *on_change* is called when `failing` changes."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        on_change: Callable[[], None],
        cursors: Written,
        attempts: Written,
    ) -> None:
        self._log = log
        self._clock = clock
        self._on_change = on_change
        self._cursors = cursors
        self._attempts = attempts
        self._moved: dict[str, Progress] = {}
        self._others: list[Record] = []
        self._failing_since: float | None = None
        self.failing = False
        self._writing = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to write."""
        return not (self._moved or self._others or self._writing)

    def add(self, progress: Progress) -> None:
        """Write *progress*'s cursor and attempts with the next flush."""
        name = progress.subscription.id
        held = self._moved.get(name)
        # What an owner that was replaced still does must not push its successor out.
        if held is None or (held is not progress and progress.epoch >= held.epoch):
            self._moved[name] = progress

    def drop(self, name: str) -> None:
        """Write nothing more of the subscription called *name*."""
        self._moved.pop(name, None)

    def also(self, record: Record) -> None:
        """Write *record* with the next flush."""
        self._others.append(record)

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await self._clock.sleep(FLUSH)
            await self.flush(pace=PACE)

    async def flush(self, only: Iterable[Progress] | None = None, pace: float = 0.0) -> None:
        """Write what moved (of *only* these); what could not be written is written the next time.

        Waits *pace* seconds between bites.
        """
        chosen = {p.subscription.id for p in only} if only is not None else set(self._moved)
        names = [name for name in self._moved if name in chosen]
        for start in range(0, len(names), BITE):
            if start and pace:
                await self._clock.sleep(pace)
            bite = [self._moved.pop(n) for n in names[start : start + BITE] if n in self._moved]
            if not await self._write(bite):
                return
        # Last: the cursor of a subscription that was deleted must not come after its tombstone.
        others, self._others = self._others, []
        if others:
            await self._write([], others)

    async def _write(self, bite: list[Progress], others: Sequence[Record] = ()) -> bool:
        made = [(progress, progress.take_attempts()) for progress in bite]
        records = [*others, *self._encoded(made)]
        self._writing += 1
        try:
            async with asyncio.timeout(WITHIN):
                await self._log.publish(records)
        except (LogError, TimeoutError) as error:
            self._give_back(made, others)
            self._failed(error)
            return False
        except asyncio.CancelledError:
            self._give_back(made, others)
            raise
        finally:
            self._writing -= 1
        self._succeeded()
        return True

    def _encoded(self, made: list[tuple[Progress, list[Attempt]]]) -> list[Record]:
        records = []
        ends = made[0][0].ends() if made else ()
        for progress, attempts in made:
            record = encode_cursor(progress.cursor(ends))
            self._cursors.note(record.value or b"", progress.epoch)
            records.append(record)
            if attempts:
                record = encode_attempts(progress.subscription.id, attempts)
                self._attempts.note(record.value or b"", len(attempts))
                records.append(record)
        return records

    def _give_back(
        self, made: list[tuple[Progress, list[Attempt]]], others: Sequence[Record]
    ) -> None:
        self._others = [*others, *self._others]
        for progress, attempts in made:
            progress.give_back(attempts)
            if progress.subscription.id not in self._moved:
                self.add(progress)

    def _failed(self, error: Exception) -> None:
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            logger.warning("cursors.flush_failed", reason=str(error) or type(error).__name__)
        if not self.failing and now - self._failing_since >= FAILING:
            self.failing = True
            self._on_change()

    def _succeeded(self) -> None:
        self._failing_since = None
        if self.failing:
            self.failing = False
            self._on_change()
