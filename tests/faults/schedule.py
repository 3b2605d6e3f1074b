"""Faults at random, from a seed: which replica is killed, frozen, stopped or cut off, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from slugline.clock import Clock
from tests.faults.installation import Installation, Replica
from tests.faults.proxy import Way
from tests.kafka.broker import Broker

#: Mean seconds between two faults of replicas, and of the broker.
REPLICAS, BROKER = 20.0, 75.0
#: No fault lasts longer, in seconds.
LONGEST = 25.0


Fault = Callable[[Random], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Happened:
    """A fault: seconds after the start of the run, and what it was."""

    at: float
    what: str


@dataclass
class Schedule:
    """Lets faults happen to *installation* until told to end; *broker* None: it is left alone."""

    installation: Installation
    broker: Broker | None
    way: Way | None
    rng: Random
    clock: Clock
    happened: list[Happened] = field(default_factory=list)
    #: Processes that ended although nobody wanted it, and other things that must not happen, in words.
    complaints: list[str] = field(default_factory=list)
    _began: float = 0.0
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    #: Replicas that are down because we want it.
    _down: set[str] = field(default_factory=set)

    def end(self) -> None:
        """Let no fault begin any more; those that last end as they would have."""
        self._ending.set()

    async def run(self) -> None:
        """Return once it was told to end, and everything is whole again."""
        self._began = self.clock.monotonic()
        replicas: dict[Fault, int] = {self._kill: 5, self._stop: 2, self._freeze: 2, self._cut: 2}
        brokers: dict[Fault, int] = {
            self._kill_broker: 2,
            self._freeze_broker: 2,
            self._restart_broker: 1,
        }
        # Dice of their own: how long one fault took changes nothing of the other.
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again_and_again(replicas, REPLICAS, Random(self.rng.random())))
            group.create_task(self._supervise())
            if self.broker:
                dice = Random(self.rng.random())
                group.create_task(self._again_and_again(brokers, BROKER, dice))

    async def _again_and_again(self, faults: dict[Fault, int], mean: float, rng: Random) -> None:
        while not await self._ends_within(min(rng.expovariate(1 / mean), 3 * mean)):
            (fault,) = rng.choices(list(faults), list(faults.values()))
            await fault(rng)

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _supervise(self) -> None:
        """Start again what ended by itself, as a supervisor would; and complain."""
        while not await self._ends_within(1.0):
            for replica in self.installation.replicas:
                if not replica.up and replica.name not in self._down:
                    last = replica.said[-1] if replica.said else ""
                    code = replica.process.returncode
                    self.complaints.append(f"{replica.name} ended by itself ({code}): {last}")
                    await replica.start()

    def _note(self, what: str) -> None:
        self.happened.append(Happened(round(self.clock.monotonic() - self._began, 1), what))

    def _some(self, rng: Random) -> Replica:
        return rng.choice(self.installation.replicas)

    # --- replicas -----------------------------------------------------------------------------------

    async def _kill(self, rng: Random) -> None:
        replica = self._some(rng)
        self._note(f"kill {replica.name}")
        self._down.add(replica.name)
        await replica.kill()
        await self.clock.sleep(rng.uniform(0, 15))
        await self._start_again(replica)

    async def _stop(self, rng: Random) -> None:
        replica = self._some(rng)
        self._note(f"stop {replica.name}")
        self._down.add(replica.name)
        code = await replica.stop()
        if code != 0:
            self.complaints.append(f"{replica.name} ended with {code} when stopped")
        await self._start_again(replica)

    async def _start_again(self, replica: Replica) -> None:
        await replica.start()
        self._down.discard(replica.name)

    async def _freeze(self, rng: Random) -> None:
        replica, seconds = self._some(rng), rng.uniform(1, LONGEST)
        self._note(f"freeze {replica.name} for {seconds:.0f} s")
        replica.freeze()
        try:
            await self.clock.sleep(seconds)
        finally:
            replica.thaw()

    async def _cut(self, rng: Random) -> None:
        if self.way is None:
            return
        seconds = rng.uniform(1, LONGEST)
        self._note(f"cut one replica of syndicate off for {seconds:.0f} s")
        self.way.cut()
        try:
            await self.clock.sleep(seconds)
        finally:
            self.way.mend()

    # --- the broker ---------------------------------------------------------------------------------

    async def _kill_broker(self, rng: Random) -> None:
        self._note("kill the broker")
        await self._away(lambda broker: broker.kill(), rng.uniform(0, LONGEST))

    async def _restart_broker(self, rng: Random) -> None:
        self._note("restart the broker")
        await self._away(lambda broker: broker.stop(), 0.0)

    async def _away(self, end: Callable[[Broker], None], seconds: float) -> None:
        assert self.broker
        # In a thread: waiting for a process must not keep the receivers from answering.
        await asyncio.to_thread(end, self.broker)
        try:
            await self.clock.sleep(seconds)
        finally:
            self.broker.start()
        await asyncio.to_thread(self.broker.serving)

    async def _freeze_broker(self, rng: Random) -> None:
        assert self.broker
        seconds = rng.uniform(1, LONGEST)
        self._note(f"freeze the broker for {seconds:.0f} s")
        self.broker.pause()
        try:
            await self.clock.sleep(seconds)
        finally:
            self.broker.resume()
