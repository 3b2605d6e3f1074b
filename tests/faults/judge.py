"""The checker's verdict on a long run: each subscription is judged by its own part of the journal."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from slugline.log import StoredRecord
from slugline.topics import ATTEMPTS, CURSORS, DEAD_LETTERS, ENTRIES, SUBSCRIPTIONS, is_base, is_own
from tests.simulation.checker import Accepted, Checker, accepted_events, duplicates
from tests.simulation.receivers import Arrival

#: Keyed by the subscription; of dead letters, up to the first `|`.
_OF_ONE = (SUBSCRIPTIONS, CURSORS, ATTEMPTS, DEAD_LETTERS)


class Judge:
    """Knows every record and every request. Giving the checker all of both for each of hundreds of
    subscriptions would take hours; what concerns another subscription changes no verdict."""

    def __init__(self, journal: Sequence[StoredRecord], arrivals: Iterable[Arrival]) -> None:
        self._bases: list[StoredRecord] = []
        self._blogs: dict[str, list[StoredRecord]] = defaultdict(list)
        self._own: dict[str, list[StoredRecord]] = defaultdict(list)
        for record in journal:
            self._put(record)
        self._arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            self._arrivals[arrival.url].append(arrival)

    def _put(self, record: StoredRecord) -> None:
        name = record.key.partition(b"|")[0].decode()
        if record.topic == ENTRIES:
            (self._bases if is_base(record.key) else self._blogs[name]).append(record)
        elif record.topic in _OF_ONE and not is_own(record.key):
            self._own[name].append(record)

    @property
    def events(self) -> list[Accepted]:
        """Every event that was accepted."""
        return [each for records in self._blogs.values() for each in accepted_events(records)]

    def duplicates(self) -> int:
        """How many requests repeated what had been taken."""
        return sum(duplicates(arrivals) for arrivals in self._arrivals.values())

    def faults(self, name: str, url: str, blogs: Iterable[str]) -> Iterator[str]:
        """What breaks a guarantee for the subscription called *name*, which wants *blogs* at *url*.

        No blogs: all.
        """
        wanted = [self._blogs[blog] for blog in blogs] or list(self._blogs.values())
        journal = [*self._bases, *self._own[name]]
        for records in wanted:
            journal += records
        journal.sort(key=lambda record: record.written_at)
        yield from Checker(journal).faults(name, self._arrivals[url])
