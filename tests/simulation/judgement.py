"""The judgement of a whole world: every guarantee, asked of everything that is known about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from slugline_ingest.writer import Written
from tests.simulation.broker import Broker
from tests.simulation.checker import Checker
from tests.simulation.giving_up import unfair
from tests.simulation.history import SubscriptionHistory
from tests.simulation.owning import Disturbance, misowned, unwritten
from tests.simulation.pace import impatient
from tests.simulation.reading import Readers, misread
from tests.simulation.receivers import Arrival
from tests.simulation.replica import Replica
from tests.simulation.script import Shape
from tests.simulation.showing import differing
from tests.simulation.starting import Call, broken_calls
from tests.simulation.writing import Write, broken_writes, nobody_mended

__all__ = ["Call", "Evidence", "Write", "Written", "judge"]


@dataclass(frozen=True)
class Evidence:
    """What happened in a world, from the log, the receivers, the newsroom and the partners."""

    seed: int
    shape: Shape
    broker: Broker
    arrivals: Sequence[Arrival]
    readers: Readers
    replicas: Sequence[Replica]
    writes: Sequence[Write]
    calls: Sequence[Call]
    disturbances: Sequence[Disturbance]

    @cached_property
    def checker(self) -> Checker:
        """Of the deliveries."""
        return Checker(self.broker.journal)

    @cached_property
    def overtaken(self) -> bool:
        """Whether a late write took a newer text with it, as it may: then not all can be delivered."""
        return nobody_mended(self.broker.journal)

    def undelivered(self, urls: frozenset[str] | None = None) -> list[str]:
        """What subscriptions still lack; where *urls* is given, of those that never had another."""
        found: list[str] = []
        if self.overtaken:
            return found
        for name in self.checker.names():
            history = SubscriptionHistory(name, self.broker.journal)
            if urls is None or history.urls <= urls:
                found += self.checker.undelivered(name, self.arrivals)
        return found


def judge(evidence: Evidence) -> list[str]:
    """Everything that is wrong, in words."""
    return list(_faults(evidence))


def _faults(evidence: Evidence) -> Iterator[str]:
    journal = evidence.broker.journal
    for name in evidence.checker.names():
        history = SubscriptionHistory(name, journal)
        mine = [arrival for arrival in evidence.arrivals if arrival.url in history.urls]
        if not evidence.overtaken:
            yield from evidence.checker.faults(name, mine)
        copied = evidence.checker.copied
        yield from impatient(history, mine, journal, evidence.shape, evidence.disturbances, copied)
        yield from unfair(history, mine, journal, evidence.shape, evidence.disturbances)
        yield from misowned(history, mine, journal, evidence.disturbances)
        yield from unwritten(history, mine, journal, evidence.checker, evidence.disturbances)
    yield from broken_calls(evidence.calls, evidence.shape, evidence.checker, evidence.arrivals)
    yield from broken_writes(evidence.writes, evidence.shape, evidence.broker)
    yield from misread(evidence.readers, journal)
    yield from differing(evidence.seed, evidence.broker, evidence.replicas)
