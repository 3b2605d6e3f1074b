"""A virtual-time event loop: sleeping takes no time, and a run is a function of its seed alone."""

import asyncio
from asyncio import base_events
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
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


class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks in order and jumps to the next timer; knows no sockets and no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = count()
        self._selector = self
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """What the base class asks of its selector: here, waiting is what makes time pass."""
        if timeout is None:
            raise DeadlockError(f"nobody can go on at {self._now:.3f} s")
        self._now += timeout
        return []

    def create_future(self) -> asyncio.Future[Any]:
        return _CountedFuture(next(self._numbers), self)

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        raise AssertionError("a thread was asked for: take it as an argument")

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> _CountedTask:
        return _CountedTask(next(self._numbers), coroutine, loop=loop, **options)

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing ever comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits in a real selector."""


class VirtualClock:
    """The Clock of a VirtualLoop; *offset* is how wrong its wall clock is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offset: timedelta = timedelta(0)) -> None:
        self._loop = loop
        self._offset = offset

    def now(self) -> datetime:
        return EPOCH + self._offset + timedelta(seconds=self._loop.time())

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
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        coroutine = task.get_coro()
        if coroutine is not None:
            coroutine.close()
