"""Feed readers: they ask replicas at any time, and what they were shown is judged at the end."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from slugline.entry import Entry
from slugline.events import decode
from slugline.log import StoredRecord, TopicPartition
from slugline.log.partition import partition_for
from slugline.topics import ENTRIES, is_base
from slugline_syndicate.feeds.store import FeedStore
from tests.simulation.replica import PARTITIONS, Ingest, Replica, a_store

FORMATS = ("atom", "rss")
#: A text of ours; its number is never given twice.
TEXT = re.compile(rb"What is known at revision \d+\.")


@dataclass(frozen=True)
class Reading:
    """A feed as a process served it.

    *position*: how far it had read the blog's partition. *least*: how far it must have, because it
    has begun without a view when so much was in the log.
    """

    at: float
    by: str
    blog: str
    form: str
    position: int
    least: int
    tag: str
    digest: bytes
    texts: frozenset[str]


class Readers:
    """Those who ask for feeds; *seed* says when, whom and for what."""

    def __init__(self, seed: int, blogs: Sequence[str]) -> None:
        self.readings: list[Reading] = []
        self.differing: list[str] = []
        self._rng = Random(f"readers {seed}")
        self._blogs = blogs

    def ask(self, replicas: Sequence[Replica], at: float) -> None:
        """Ask somebody now and then, *at* now; sometimes twice, a store that remembers nothing too."""
        if self._rng.random() < 0.3:
            serving = [r for r in replicas if not (isinstance(r, Ingest) or r.process.frozen)]
            ready = [replica for replica in serving if replica.tail.ready]
            if ready:
                self._read(self._rng.choice(ready), at)

    def _read(self, replica: Replica, at: float) -> None:
        blog, form = self._rng.choice(self._blogs), self._rng.choice(FORMATS)
        shown = _shown(replica.feeds, blog, form)
        if self._rng.random() < 0.1 and shown != _shown(a_store(replica.entries), blog, form):
            self.differing.append(f"{replica.name} remembers another {form} feed of {blog}")
        self.readings.append(_reading(replica, at, blog, form, *shown))


def _shown(store: FeedStore, blog: str, form: str) -> tuple[str, bytes]:
    """The entity tag and the bytes; empty where the blog is unknown."""
    document = store.document(blog, form)
    return (document.representation.tag, document.representation.body) if document else ("", b"")


def _reading(replica: Replica, at: float, blog: str, form: str, tag: str, body: bytes) -> Reading:
    partition = partition_for(blog.encode(), PARTITIONS)
    return Reading(
        at=at,
        by=replica.name,
        blog=blog,
        form=form,
        position=replica.view.positions.get(TopicPartition(ENTRIES, partition), 0),
        least=replica.found.get(partition, 0),
        tag=tag,
        digest=sha256(body).digest(),
        texts=frozenset(text.decode() for text in TEXT.findall(body)),
    )


def misread(readers: Readers, journal: Sequence[StoredRecord]) -> Iterator[str]:
    """Feeds that are not what the log says: withdrawn or replaced texts, or one tag for two texts."""
    yield from readers.differing
    known: dict[tuple[str, str, str], bytes] = {}
    for reading in readers.readings:
        where = f"the {reading.form} feed of {reading.blog} by {reading.by} at {reading.at:.3f}"
        name = (reading.blog, reading.form, reading.tag)
        if known.setdefault(name, reading.digest) != reading.digest:
            yield f"{where} has other bytes under the same tag"
        if reading.position < reading.least:
            yield f"{where} was shown before its view was built"
    yield from _wrong_texts(readers.readings, journal)


def _wrong_texts(readings: Sequence[Reading], journal: Sequence[StoredRecord]) -> Iterator[str]:
    """Texts that were not in force as far as whoever showed them had read."""
    for blog in {reading.blog: None for reading in readings}:
        entries = _Entries(blog, journal)
        mine = [reading for reading in readings if reading.blog == blog]
        for reading in sorted(mine, key=lambda each: each.position):
            if wrong := reading.texts - entries.texts_at(reading.position):
                yield (
                    f"the {reading.form} feed of {blog} by {reading.by} at {reading.at:.3f}"
                    f" shows {min(wrong)!r}, which was replaced or withdrawn"
                )


class _Entries:
    """The entries of a blog's partition, from one position of the log to a later one.

    A record that repeats an earlier event changes nothing for whoever read that one too; for whoever
    reads what compaction left it is the newest. Both texts are in force then.
    """

    def __init__(self, blog: str, journal: Sequence[StoredRecord]) -> None:
        place = (ENTRIES, partition_for(blog.encode(), PARTITIONS))
        self._left = deque(
            r for r in journal if (r.topic, r.partition) == place and not is_base(r.key) and r.value
        )
        self._events: set[str] = set()
        self._newest: dict[bytes, str] = {}
        self._repeated: dict[bytes, str] = {}

    def texts_at(self, position: int) -> set[str]:
        """Those in force below *position*, which never goes back."""
        while self._left and self._left[0].offset < position:
            self._take(self._left.popleft())
        return {*self._newest.values(), *self._repeated.values()}

    def _take(self, record: StoredRecord) -> None:
        assert record.value is not None
        event = decode(record.headers, record.value)
        text = event.subject.body_text if isinstance(event.subject, Entry) else ""
        self._repeated.pop(record.key, None)
        (self._repeated if event.id in self._events else self._newest)[record.key] = text
        self._events.add(event.id)
