"""The flusher: cursors that moved and attempts that were made, written four times a second."""

import asyncio
from collections.abc import Iterable

import structlog

from slugline.clock import Clock
from slugline.errors import LogError
from slugline.log import Log, Record
from slugline_syndicate.deliveries.cursor import encode_cursor
from slugline_syndicate.deliveries.history import Attempt, encode_attempts
from slugline_syndicate.deliveries.worker import ATTEMPTS_WAITING, Worker

#: How often cursors that moved are written, in seconds.
FLUSH = 0.25
#: Deliveries pause when writing has failed for so long, in seconds.
FAILING = 5.0
#: How long one write may take, in seconds.
WITHIN = 5.0

logger = structlog.get_logger()


class Flusher:
    """Collects workers whose state moved, and writes what they say in one publish."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._dirty: dict[str, Worker] = {}
        self._others: list[Record] = []
        self._failing_since: float | None = None

    @property
    def failing(self) -> bool:
        """Whether writing has failed for so long that deliveries must pause."""
        since = self._failing_since
        return since is not None and self._clock.monotonic() - since >= FAILING

    def add(self, worker: Worker) -> None:
        """Write *worker*'s cursor and attempts with the next flush."""
        self._dirty[worker.subscription.id] = worker

    def drop(self, name: str) -> None:
        """Write nothing more of the subscription called *name*."""
        self._dirty.pop(name, None)

    def also(self, record: Record) -> None:
        """Write *record* with the next flush."""
        self._others.append(record)

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await self._clock.sleep(FLUSH)
            await self.flush()

    async def flush(self, only: Iterable[Worker] | None = None) -> None:
        """Write what is dirty (of *only* these); what could not be written stays dirty."""
        chosen = {w.subscription.id for w in only} if only is not None else set(self._dirty)
        workers = [self._dirty.pop(name) for name in list(self._dirty) if name in chosen]
        others, self._others = self._others, []
        attempts = {worker.subscription.id: _take(worker) for worker in workers}
        records = [encode_cursor(worker.cursor()) for worker in workers] + others
        records += [encode_attempts(name, made) for name, made in attempts.items() if made]
        if not records:
            return
        try:
            async with asyncio.timeout(WITHIN):
                await self._log.publish(records)
        except (LogError, TimeoutError) as error:
            self._failed(workers, attempts, others, error)
        else:
            self._failing_since = None

    def _failed(
        self,
        workers: list[Worker],
        attempts: dict[str, list[Attempt]],
        others: list[Record],
        error: Exception,
    ) -> None:
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
            logger.warning("cursors.flush_failed", reason=str(error) or type(error).__name__)
        self._others = others + self._others
        for worker in workers:
            self._dirty.setdefault(worker.subscription.id, worker)
            made = attempts[worker.subscription.id] + worker.attempts
            worker.attempts[:] = made[-ATTEMPTS_WAITING:]


def _take(worker: Worker) -> list[Attempt]:
    made = list(worker.attempts)
    worker.attempts.clear()
    return made
