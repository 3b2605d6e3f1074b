"""A failing world is made smaller, and stays the failing one."""

from collections.abc import Sequence

from tests.simulation.script import Happening, Shape, script_of
from tests.simulation.shrinking import smaller

SHAPE = Shape(replicas=3, ingests=2, subscriptions=9, seconds=60, nights=1, skew=3.0)
SCRIPT = script_of(5, SHAPE)


def times(script: Sequence[Happening]) -> list[float]:
    """When each happening comes."""
    return [round(sum(each.after for each in script[: n + 1]), 6) for n in range(len(script))]


def test_of_many_happenings_those_are_left_that_a_fault_needs() -> None:
    needed = [each for each in SCRIPT if each.kind in ("kill", "night")][:2]

    def fails(_: Shape, script: Sequence[Happening]) -> bool:
        return {each.dice for each in needed} <= {each.dice for each in script}

    _, left = smaller(SHAPE, SCRIPT, fails)

    assert [each.dice for each in left] == [each.dice for each in needed]


def test_what_is_left_keeps_its_time() -> None:
    kept = SCRIPT[40]

    _, (left,) = smaller(SHAPE, SCRIPT, lambda _, script: kept.dice in {s.dice for s in script})

    assert times([left]) == [times(SCRIPT)[40]]


def test_a_shape_is_made_simpler_as_far_as_the_fault_remains() -> None:
    shape, left = smaller(SHAPE, SCRIPT, lambda shape, _: shape.replicas >= 2)

    assert (shape.replicas, shape.ingests, shape.subscriptions, shape.skew) == (2, 0, 1, 0.0)
    assert left == []


def test_a_script_depends_on_the_seed_alone_and_has_dice_for_each_happening() -> None:
    assert script_of(5, SHAPE) == SCRIPT != script_of(6, SHAPE)
    assert len({each.dice for each in SCRIPT}) == len(SCRIPT)
