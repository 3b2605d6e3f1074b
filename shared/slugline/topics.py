"""Names, keys and policies of the topics, and the base records that sequences count from."""

from datetime import timedelta

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.entry import EntryId
from slugline.log import DEFAULT_PARTITIONS, Log, Record, TopicSpec

ENTRIES = "slugline.entries.v1"
SOURCES = "slugline.sources.v1"
SUBSCRIPTIONS = "slugline.subscriptions.v1"
CURSORS = "slugline.cursors.v1"
DEAD_LETTERS = "slugline.dead-letters.v1"
ATTEMPTS = "slugline.attempts.v1"

SPECS = (
    TopicSpec(name=ENTRIES, compact=True, min_compaction_lag=timedelta(days=7)),
    TopicSpec(name=SOURCES, compact=True),
    TopicSpec(name=SUBSCRIPTIONS, compact=True),
    TopicSpec(name=CURSORS, compact=True, min_compaction_lag=timedelta(hours=1)),
    TopicSpec(name=DEAD_LETTERS, compact=True, retention=timedelta(days=30)),
    TopicSpec(name=ATTEMPTS, compact=False, retention=timedelta(days=7), retention_bytes=1024**3),
)

_BASE_PREFIX = b"_base|"
_CLAIM_PREFIX = b"_owner|"


def entry_key(blog_id: BlogId, entry_id: EntryId) -> bytes:
    """The key of an entry's records."""
    return f"{blog_id}|{entry_id}".encode()


def blog_key(blog_id: BlogId) -> bytes:
    """The key of a blog's own records."""
    return f"{blog_id}|".encode()


def base_key(base: int) -> bytes:
    """The key of a base record; it differs by value, so that two that race both survive compaction."""
    return _BASE_PREFIX + str(base).encode()


def base_of(key: bytes) -> int | None:
    """The base that a record with *key* states, or None for any other record."""
    return int(key[len(_BASE_PREFIX) :]) if key.startswith(_BASE_PREFIX) else None


def claim_key(partition: int) -> bytes:
    """The key of the claims on a partition of the cursors topic."""
    return _CLAIM_PREFIX + str(partition).encode()


def is_claim(key: bytes) -> bool:
    """Whether *key* is that of a claim."""
    return key.startswith(_CLAIM_PREFIX)


async def provision(log: Log, clock: Clock, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Make every topic, and write a base record first into each empty partition of the entries.

    An entry event's `sequence` is its partition's base plus its offset. The base is the time in
    microseconds since 1970, so that a log made anew never repeats a sequence. Where processes race,
    each writes its own and the one with the lowest offset counts.
    """
    await log.ensure(SPECS, partitions)
    ends = await log.ends([ENTRIES])
    base = int(clock.now().timestamp() * 1_000_000)
    empty = [tp.partition for tp, end in ends.items() if end == 0]
    await log.publish(
        [Record(topic=ENTRIES, key=base_key(base), value=b"{}", partition=p) for p in empty]
    )
