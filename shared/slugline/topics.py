"""Names, keys and policies of the topics, and the base records that sequences count from."""

from datetime import timedelta

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.entry import EntryId
from slugline.errors import LogDamagedError
from slugline.log import DEFAULT_PARTITIONS, Log, Record, StoredRecord, TopicSpec

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

#: Sequences stay below this, so that JavaScript reads them exactly.
SEQUENCE_LIMIT = 2**53

#: Keys of the log's own records begin so; no blog's and no subscription's id does.
_OWN_PREFIX = b"_"
_BASE_PREFIX = b"_base|"
_CLAIM_PREFIX = b"_owner|"

#: What to do with a log that something else made.
_ELSEWHERE = (
    "this is not a log that slugline made: name another one (SLUGLINE_LOG_URL,"
    " SLUGLINE_KAFKA_PREFIX), or empty its topics and run 'slugline topics ensure'"
)


def entry_key(blog_id: BlogId, entry_id: EntryId) -> bytes:
    """The key of an entry's records."""
    return f"{blog_id}|{entry_id}".encode()


def blog_key(blog_id: BlogId) -> bytes:
    """The key of a blog's own records."""
    return f"{blog_id}|".encode()


def base_key(base: int) -> bytes:
    """The key of a base record; it differs by value, so that two that race both survive compaction."""
    return _BASE_PREFIX + str(base).encode()


def is_base(key: bytes) -> bool:
    """Whether *key* is that of a base record."""
    return key.startswith(_BASE_PREFIX)


def base_of(record: StoredRecord) -> int:
    """The base that *record*, the first of its partition, states. Raises LogDamagedError."""
    where = f"partition {record.partition} of {record.topic}"
    if not is_base(record.key):
        raise LogDamagedError(
            f"{where} has no base record before offset {record.offset}; {_ELSEWHERE}"
        )
    digits = record.key.removeprefix(_BASE_PREFIX)
    if not digits.isdigit() or len(digits) > 16 or int(digits) >= SEQUENCE_LIMIT:
        shown = record.key[:40].decode(errors="replace")
        raise LogDamagedError(
            f"{where} has a base record that is none of ours ({shown!r}); {_ELSEWHERE}"
        )
    return int(digits)


def claim_key(partition: int) -> bytes:
    """The key of the claims on a partition of the cursors topic."""
    return _CLAIM_PREFIX + str(partition).encode()


def is_claim(key: bytes) -> bool:
    """Whether *key* is that of a claim."""
    return key.startswith(_CLAIM_PREFIX)


def is_own(key: bytes) -> bool:
    """Whether *key* is that of a record of the log's own: a base, a claim, a mark."""
    return key.startswith(_OWN_PREFIX)


async def provision(log: Log, clock: Clock, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Make every topic, and write a base record first into each empty partition of the entries.

    An entry event's `sequence` is its partition's base plus its offset. The base is the time in
    microseconds since 1970, so that a log made anew never repeats a sequence. Where processes race,
    each writes its own and the one with the lowest offset counts.
    """
    await log.ensure(SPECS, partitions)
    await write_bases(log, int(clock.now().timestamp() * 1_000_000))


async def write_bases(log: Log, base: int) -> None:
    """Write *base* first into each empty partition of the entries."""
    ends = await log.ends([ENTRIES])
    empty = [tp.partition for tp, end in ends.items() if end == 0]
    await log.publish(
        [Record(topic=ENTRIES, key=base_key(base), value=b"{}", partition=p) for p in empty]
    )
