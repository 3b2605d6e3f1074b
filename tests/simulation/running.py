"""Running worlds: one, or as many as there are cores. Imported by name, as worker processes need it."""

import logging
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context

import structlog

from tests.simulation.loop import VirtualLoop, run_virtually
from tests.simulation.script import Happening, Shape, shape_of
from tests.simulation.world import World

#: Seeds that one worker runs before it is replaced, and that are handed out at once.
LIFE, PORTION = 40, 5
#: A world takes a second or two; what takes so long goes round in circles, in seconds of CPU.
LONGEST = 60.0
#: It is told so again after this: Python drops what is raised in a destructor, in seconds of CPU.
TOLD_AGAIN = 1.0


class EndlessError(KeyboardInterrupt):
    """A world that does not end. Event loops let nothing else through at once."""


def run(seed: int, shape: Shape | None = None, script: Sequence[Happening] | None = None) -> World:
    """The world of *seed*, after its end."""

    async def main(loop: VirtualLoop) -> World:
        world = World(seed, shape or shape_of(seed), loop, script)
        try:
            await world.live()
        finally:
            world.close()
        return world

    return run_virtually(main)


def faults_of(
    seed: int, shape: Shape | None = None, script: Sequence[Happening] | None = None
) -> list[str]:
    """What went wrong in the world of *seed*; what it raised is wrong, too."""
    try:
        with _at_the_longest(LONGEST):
            return run(seed, shape, script).faults()
    except EndlessError:
        return ["the world does not end"]
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
        return [f"the world broke: {error!r}"]


@contextmanager
def _at_the_longest(seconds: float) -> Iterator[None]:
    """Raise EndlessError once what runs here took *seconds* of CPU. Only in a main thread."""

    def end(*_: object) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, TOLD_AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def quiet() -> None:
    """What processes would say in their trouble is of no use here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _portion(seeds: range) -> list[tuple[int, list[str]]]:
    return [(seed, faults_of(seed)) for seed in seeds]


def results(seeds: range, workers: int) -> Iterator[tuple[int, list[str]]]:
    """Seeds with their faults, as they are done; on as many cores as there are *workers*."""
    if workers == 1:
        yield from ((seed, faults_of(seed)) for seed in seeds)
        return
    portions = iter(seeds[at : at + PORTION] for at in range(0, len(seeds), PORTION))
    with ProcessPoolExecutor(
        workers, get_context("spawn"), quiet, max_tasks_per_child=LIFE // PORTION
    ) as pool:
        waiting = {pool.submit(_portion, each) for each in islice(portions, 2 * workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(_portion, each) for each in islice(portions, len(done))}
            for portion in done:
                yield from portion.result()
