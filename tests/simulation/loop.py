"""A virtual-time event loop: sleeping takes no time, and a run is a function of its seed alone."""

import asyncio
import warnings
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from datetime import UTC, datetime, timedelta
from heapq import heappop
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 11, 22, tzinfo=UTC)


class DeadlockError(AssertionError):
    """Everybody waits, and no timer is left that could wake anybody."""


class _CountedTask(asyncio.Task[Any]):
    """A task whose place in a set is decided by when it was made, not by its address."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class _CountedFuture(asyncio.Future[Any]):
    """The same for futures."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class Process:
    """What is frozen, thawed and killed as one: every callback that runs in its context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.context = Context()
        self.context.run(_PROCESS.set, self)
        self._parked: list[asyncio.Handle] = []

    def freeze(self) -> None:
        """As SIGSTOP does: nothing of it runs; what it asked for goes on elsewhere."""
        self.frozen = True

    def thaw(self, loop: "VirtualLoop", *, timers_first: bool) -> None:
        """As SIGCONT does: it finds its timers overdue, and answers that came long ago."""
        self.frozen = False
        parked, self._parked = self._parked, []
        parked.sort(key=lambda handle: isinstance(handle, asyncio.TimerHandle) != timers_first)
        for handle in parked:
            loop.resume(handle)

    def kill(self) -> None:
        """As `kill -9` does: not one more line of it runs, no `finally` either."""
        self.dead = True
        self._parked.clear()

    def takes(self, handle: asyncio.Handle) -> bool:
        """Whether *handle* may run now; kept for the thaw where the process is frozen."""
        if self.dead:
            return False
        if self.frozen:
            self._parked.append(handle)
        return not self.frozen


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)

#: Where the world itself runs: brokers, networks, receivers. Nothing freezes it.
WORLD = Context()


class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks in order and jumps to the next timer; knows no sockets and no threads."""

    _ready: "deque[asyncio.Handle]"
    _scheduled: "list[asyncio.TimerHandle]"

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = count()
        #: What was under way in processes that were killed, so that no collector ends it at its own time.
        self._graves: list[set[asyncio.Task[Any]]] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        return _CountedFuture(next(self._numbers), self)

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        raise AssertionError("a thread was asked for: take it as an argument")

    def resume(self, handle: asyncio.Handle) -> None:
        """Run *handle*, which was held back, in its turn."""
        self._ready.append(handle)

    def bury(self) -> None:
        """Keep every task that is alive now until the end of the world."""
        self._graves.append(asyncio.all_tasks(self))

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> _CountedTask:
        return _CountedTask(next(self._numbers), coroutine, loop=loop, **options)

    def _run_once(self) -> None:
        """One turn, as the base class does it; but time passes by itself, and processes may stand still."""
        self._pass_time()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(_PROCESS)  # type: ignore[attr-defined]
            if process is None or process.takes(handle):
                handle._run()

    def _pass_time(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heappop(timers)
        if not self._ready:
            if not timers:
                raise DeadlockError(f"nobody can go on at {self._now:.3f} s")
            self._now = max(self._now, timers[0].when())
        while timers and timers[0].when() <= self._now:
            self._ready.append(heappop(timers))

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """A cancelled timer goes when its time has come."""

    def _write_to_self(self) -> None:
        """Nobody waits in a real selector."""


class VirtualClock:
    """The Clock of a VirtualLoop; *offset* is how wrong its wall clock is, and may be set."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offset: timedelta = timedelta(0)) -> None:
        self._loop = loop
        self.offset = offset

    def now(self) -> datetime:
        return EPOCH + self.offset + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run *main* to its end under virtual time; every task left over is dropped without a word."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        _drop(asyncio.all_tasks(loop))
        asyncio.set_event_loop(None)
        loop.close()


def _drop(tasks: set[asyncio.Task[Any]]) -> None:
    """End *tasks* of a world that is over: nobody waits for what their `finally` still wants to do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if coroutine is not None:
                with suppress(Exception):
                    coroutine.close()
