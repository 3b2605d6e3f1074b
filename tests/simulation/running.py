"""Running worlds: one, or as many as there are cores. Imported by name, as worker processes need it."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context

import structlog

from tests.simulation.loop import VirtualLoop, run_virtually
from tests.simulation.script import Happening, Shape, shape_of
from tests.simulation.world import World

#: Seeds that one worker runs before it is replaced, and that are handed out at once.
LIFE, PORTION = 40, 5


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
        return run(seed, shape, script).faults()
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
        return [f"the world broke: {error!r}"]


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
