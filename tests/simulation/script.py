"""What happens in a world, and when: drawn from the seed before anything starts.

Each happening has dice of its own, so that leaving one out changes as little as possible of the
others: that is how a failing seed is made smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.simulation.broker import Faults


@dataclass
class Shape:
    """What a world is like; a seed decides the rest."""

    #: Replicas of syndicate; with no *ingests*, each is both services in one process.
    replicas: int = 1
    ingests: int = 0
    subscriptions: int = 6
    seconds: float = 120.0
    kills: bool = True
    outages: bool = True
    #: Processes stand still, networks are cut, everything is shared out anew.
    freezes: bool = False
    #: Hours and days in which nothing runs, or in which a replica does not; compaction and retention.
    nights: int = 0
    #: How wrong the processes' clocks are, and by how much they are set, in seconds.
    skew: float = 0.0
    faults: Faults = field(default_factory=Faults)
    #: Every receiver answers 200 at once.
    fine: bool = False
    #: Subscriptions are made, paused, resumed, tested, changed and deleted meanwhile.
    changes: bool = True

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong but receivers."""
        faults = self.faults
        trouble = faults.lost_acknowledgement + faults.late_landing
        return not (self.kills or self.outages or self.freezes or self.nights or trouble)

    @property
    def lands_late(self) -> bool:
        """Whether a write that was given up may stand in the log afterwards."""
        hangs = self.freezes and self.faults.landing_afterwards
        return bool(self.outages or self.faults.late_landing or hangs)


@dataclass(frozen=True)
class Happening:
    """*kind* names a method of the world; it comes *after* so many seconds, with *dice* of its own."""

    after: float
    kind: str
    dice: int


def shape_of(seed: int) -> Shape:
    """What the world of *seed* is like: from one calm process to five with every fault."""
    rng = Random(f"shape {seed}")
    shape = Shape(
        replicas=rng.choice([1, 1, 2, 3]),
        ingests=rng.choice([0, 1, 2]),
        subscriptions=rng.randint(3, 12),
        seconds=rng.uniform(20, 100),
        kills=rng.random() < 0.7,
        outages=rng.random() < 0.5,
        freezes=rng.random() < 0.5,
        nights=rng.choice([0, 0, 0, 1, 2]),
        skew=rng.choice([0.0, 0.0, 3.0]),
        faults=Faults(
            gap=rng.choice([0.0, 0.2]),
            lost_acknowledgement=rng.choice([0.0, 0.0, 0.02]),
            late_landing=rng.choice([0.0, 0.0, 0.02]),
            landing_afterwards=rng.choice([0.0, 0.5]),
            slowest=rng.choice([0.002, 0.05]),
        ),
    )
    if rng.random() < 0.1:
        shape.kills = shape.outages = shape.freezes = False
        shape.nights, shape.faults = 0, Faults(gap=shape.faults.gap)
    return shape


def script_of(seed: int, shape: Shape) -> list[Happening]:
    """The happenings of a world, in order; two each second or so."""
    rng = Random(f"script {seed}")
    kinds = _weights(shape)
    script, at = [], 0.0
    while at < shape.seconds:
        after = rng.expovariate(2.0)
        at += after
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        script.append(Happening(after, kind, rng.getrandbits(32)))
    for _ in range(shape.nights):
        place = rng.randrange(len(script) + 1)
        script.insert(place, Happening(0.0, "night", rng.getrandbits(32)))
    return script


def _weights(shape: Shape) -> dict[str, float]:
    weights = {"write": 80.0, "burst": 1.0, "compact": 2.0}
    if shape.changes:
        weights["change"] = 7.0
    if shape.kills:
        weights |= {"kill": 3.0, "stop": 1.5}
    if shape.outages:
        weights |= {"outage": 2.0}
    if shape.freezes:
        weights |= {"freeze": 3.0, "cut": 2.0, "disturb": 1.0, "lag": 1.0}
    if shape.skew:
        weights |= {"set_clock": 1.0}
    if shape.faults.late_landing:
        weights |= {"stray": 3.0}
    return weights


def words(script: Sequence[Happening]) -> str:
    """*script* as people read it."""
    lines, at = [], 0.0
    for happening in script:
        at += happening.after
        lines.append(f"{at:8.2f} s  {happening.kind}")
    return "\n".join(lines)
