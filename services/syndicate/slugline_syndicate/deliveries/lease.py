"""The lease: an owner sends only while the log is known to be there and the view to be with it."""

import asyncio
from collections.abc import Callable

from slugline.clock import Clock
from slugline.errors import LogError
from slugline.log import Log
from slugline.topics import CURSORS, ENTRIES, SUBSCRIPTIONS
from slugline.view.tail import Tail

#: How long one answer lasts, counted from the question, in seconds.
LEASE = 5.0
#: How often the log is asked, in seconds.
ASK = 2.0
#: How long after its end a lapse is looked for: a timer of the loop may fire a little early.
LATE = 0.01

TOPICS = (ENTRIES, SUBSCRIPTIONS, CURSORS)


class Lease:
    """Held for 5 s from each *question* to the log that was answered and caught up with.

    *on_hold* is called with every answer, *on_lapse* when none came in time.
    From the question, not from the answer: an owner that was frozen may find an old answer in its
    socket, and would send as a zombie for as long as that counts.
    """

    def __init__(
        self,
        log: Log,
        tail: Tail,
        clock: Clock,
        on_hold: Callable[[], None],
        on_lapse: Callable[[], None],
    ) -> None:
        self._log = log
        self._tail = tail
        self._clock = clock
        self._on_hold = on_hold
        self._on_lapse = on_lapse
        self._until = float("-inf")

    @property
    def valid(self) -> bool:
        """Whether it is held, by a view that is not being rebuilt."""
        return self._clock.monotonic() < self._until and self._tail.ready

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            asked = self._clock.monotonic()
            try:
                async with asyncio.timeout(LEASE):
                    await self._tail.reached(await self._log.ends(TOPICS))
            except (LogError, TimeoutError):
                pass
            else:
                self._extend(asked + LEASE)
            await self._clock.sleep(ASK - (self._clock.monotonic() - asked))

    def _extend(self, until: float) -> None:
        self._until = until
        left = until - self._clock.monotonic()
        if left > 0:
            asyncio.get_running_loop().call_later(left + LATE, self._check)
            self._on_hold()

    def _check(self) -> None:
        if not self.valid:
            self._on_lapse()
