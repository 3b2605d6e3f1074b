"""Run worlds by their seeds: `python -m tests.simulation [FIRST] [COUNT]`.

A seed replays exactly where PYTHONHASHSEED is fixed, so this starts itself anew with it at 0.
"""

import logging
import os
import sys
from random import Random

import structlog

from tests.simulation.log import Faults
from tests.simulation.loop import VirtualLoop, run_virtually
from tests.simulation.world import Shape, World


def shape_of(seed: int) -> Shape:
    """What the world of *seed* is like: from one calm replica to three with every fault."""
    rng = Random(f"shape {seed}")
    return Shape(
        replicas=rng.choice([1, 1, 2, 3]),
        seconds=rng.uniform(20, 100),
        kills=rng.random() < 0.8,
        outages=rng.random() < 0.5,
        faults=Faults(
            gap=rng.choice([0.0, 0.2]),
            lost_acknowledgement=rng.choice([0.0, 0.0, 0.02]),
            late_landing=rng.choice([0.0, 0.0, 0.02]),
            slowest=rng.choice([0.002, 0.05]),
        ),
    )


def run(seed: int, shape: Shape | None = None) -> World:
    """The world of *seed*, after its end."""

    async def main(loop: VirtualLoop) -> World:
        world = World(seed, shape or shape_of(seed), loop)
        await world.live()
        return world

    return run_virtually(main)


def quiet() -> None:
    """What processes would say in their trouble is of no use here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> int:
    given = [int(argument) for argument in sys.argv[1:3]]
    first, count = (*given, 1)[:2] if given else (0, 100)
    if count > 1:
        quiet()
    failed = 0
    for seed in range(first, first + count):
        world = run(seed)
        faults = world.faults()
        failed += bool(faults)
        for fault in faults:
            sys.stdout.write(f"seed {seed}: {fault}\n")
    sys.stdout.write(f"{count - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
