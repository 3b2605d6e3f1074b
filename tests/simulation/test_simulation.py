"""The guarantees, judged in simulated worlds with crashes, outages and receivers of every temper."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slugline.topics import DEAD_LETTERS
from tests.simulation.__main__ import run
from tests.simulation.checker import duplicates
from tests.simulation.log import Faults
from tests.simulation.loop import EPOCH
from tests.simulation.receivers import Arrival
from tests.simulation.world import Shape, World

ROOT = Path(__file__).parents[2]


def test_a_hundred_seeds_keep_every_guarantee() -> None:
    """Each seed is a schedule; `python -m tests.simulation SEED` replays one exactly."""
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", first, "50", "--workers", "1"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in ("0", "50")
    ]

    said = [half.communicate()[0] for half in halves]

    assert said == ["50 passed, 0 failed\n"] * 2


def test_a_seed_replays_exactly() -> None:
    assert run(7).trace() == run(7).trace()


def calm(seed: int, **shape: object) -> World:
    return run(seed, Shape(seconds=40, kills=False, outages=False, fine=True, **shape))  # type: ignore[arg-type]


@pytest.mark.parametrize("replicas", [1, 3])
def test_nothing_is_sent_twice_when_nothing_dies_and_receivers_answer(replicas: int) -> None:
    world = calm(3, replicas=replicas)

    assert world.faults() == []
    assert sum(duplicates(world.receivers.of(s.url)) for s in world.subscriptions) == 0
    assert len(world.receivers.arrivals) > 100


def test_what_became_a_dead_letter_is_not_sent_any_more_when_nothing_dies() -> None:
    worlds = [run(seed, Shape(seconds=90, kills=False, outages=False)) for seed in range(6)]

    late = [arrival for world in worlds for arrival in sent_though_dead(world)]

    assert any(dead_letters(world) for world in worlds)
    assert late == []


def dead_letters(world: World) -> dict[str, float]:
    """The events that were given up for the choosy receiver, and when."""
    return {
        record.key.decode().partition("|")[2]: (record.written_at - EPOCH).total_seconds()
        for record in world.broker.journal
        if record.topic == DEAD_LETTERS and record.key.startswith(b"sub-2|")
    }


def sent_though_dead(world: World) -> list[Arrival]:
    dead = dead_letters(world)
    return [
        arrival
        for arrival in world.receivers.of("https://partner-2.example/hook")
        if arrival.at > dead.get(arrival.webhook_id, float("inf"))
    ]


def test_gaps_in_offsets_change_nothing() -> None:
    assert calm(4, faults=Faults(gap=0.5)).faults() == []
