"""Make a failing world smaller: fewer happenings, fewer kinds of fault, fewer processes.

Zeller, "Simplifying and isolating failure-inducing input" (2002): leave out ever smaller parts, as
long as it still fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.broker import Faults
from tests.simulation.script import Happening, Shape

Fails = Callable[[Shape, Sequence[Happening]], bool]


def smaller(
    shape: Shape,
    script: Sequence[Happening],
    fails: Fails,
    tell: Callable[[int], None] = lambda left: None,
) -> tuple[Shape, list[Happening]]:
    """The smallest shape and script found that still fail; *tell* is told how many happenings are left."""
    kept = _fewer(list(script), lambda some: fails(shape, some), tell)
    for choices in _simpler(shape):
        merged = (_merge(shape, choice) for choice in choices)
        shape = next((each for each in merged if fails(each, kept)), shape)
    return shape, _fewer(kept, lambda some: fails(shape, some), tell)


def _fewer(
    script: list[Happening],
    fails: Callable[[list[Happening]], bool],
    tell: Callable[[int], None],
) -> list[Happening]:
    part = max(1, len(script) // 2)
    while True:
        for start in range(0, len(script), part):
            left = _without(script, start, start + part)
            if len(left) < len(script) and fails(left):
                script = left
                tell(len(script))
                break
        else:
            if part == 1:
                return script
            part = max(1, part // 2)


def _without(script: list[Happening], start: int, stop: int) -> list[Happening]:
    """*script* without a part of it; what comes later keeps its time."""
    gone = sum(happening.after for happening in script[start:stop])
    later = script[stop:]
    if later:
        later = [replace(later[0], after=later[0].after + gone), *later[1:]]
    return script[:start] + later


def _simpler(shape: Shape) -> list[list[dict[str, object]]]:
    """Changes that make it simpler, the simplest of each kind first."""
    return [
        [{"faults": Faults()}],
        [{"skew": 0.0}],
        [{"ingests": count} for count in range(shape.ingests)],
        [{"replicas": count} for count in range(1, shape.replicas)],
        [{"subscriptions": count} for count in range(1, shape.subscriptions)],
    ]


def _merge(shape: Shape, change: dict[str, object]) -> Shape:
    return replace(shape, **change)  # type: ignore[arg-type]
