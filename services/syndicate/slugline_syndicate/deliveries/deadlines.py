"""One timer for many things that each have the same time."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls *expired* for what was begun *seconds* ago and has not ended.

    All have the same time, so they fall due in the order in which they began, and one timer for the
    oldest is enough. A timer for each costs as much as signing a request.
    """

    def __init__(self, seconds: float, expired: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._ends: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[T]:
        """The oldest first."""
        return iter(self._ends)

    def begin(self, item: T) -> None:
        """Give *item*, which is not among them, its time from now on."""
        self._ends[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check)

    def end(self, item: T) -> None:
        """Forget *item*, whether it is among them or not."""
        self._ends.pop(item, None)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        while self._ends:
            item, end = next(iter(self._ends.items()))
            left = end - self._loop.time()
            if left > 0:
                self._timer = self._loop.call_later(left, self._check)
                return
            del self._ends[item]
            self._expired(item)
