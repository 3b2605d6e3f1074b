"""Marks: records of the log's own, that say what is to be known before a log is used.

They stand in the first partition of the subscriptions. Each has a key of its own, so that marks of
processes that race all survive compaction.
"""

from contextlib import aclosing

from slugline.log import Log, Record, StoredRecord
from slugline.log.reading import records_between
from slugline.topics import SUBSCRIPTIONS, is_own

#: Stands while a copy into the log goes on; a copy that was not finished leaves it there.
COPY = b"_copy"
#: With the name of an installation after it: the log is that installation's.
INSTALLATION = b"_installation|"

#: What to do about a copy that was not finished.
AGAIN = "delete its file, or its topics on Kafka, and copy again"
UNFINISHED = f"a copy into it was not finished: {AGAIN}"


def mark(key: bytes, value: bytes | None) -> Record:
    """The record that sets a mark; a *value* of None takes it away."""
    return Record(topic=SUBSCRIPTIONS, key=key, value=value, partition=0)


async def standing_marks(log: Log) -> dict[bytes, StoredRecord]:
    """The marks of *log*, by their keys, in order of their offsets."""
    begins, ends = await log.begins([SUBSCRIPTIONS]), await log.ends([SUBSCRIPTIONS])
    found: dict[bytes, StoredRecord] = {}
    async with aclosing(records_between(log, SUBSCRIPTIONS, begins, ends, only=0)) as records:
        async for record in records:
            if is_own(record.key):
                found.pop(record.key, None)
                if record.value is not None:
                    found[record.key] = record
    return found
