"""What every engine checks of a record before it writes anything.

On Kafka one record that the broker refuses makes an idempotent producer useless for its partition,
so nothing that could be refused may reach it.
"""

from slugline.errors import RecordRefusedError
from slugline.log import MAX_RECORD_BYTES, Record


def check_record(record: Record, partitions: int, *, compacted: bool) -> None:
    """Raise RecordRefusedError unless a topic of *partitions* partitions can take *record*."""
    if not partitions:
        raise RecordRefusedError(f"there is no topic {record.topic}")
    if (record.partition is None) == (record.partition_key is None):
        raise RecordRefusedError("a record names either its partition or its partition key")
    if record.partition is not None and not 0 <= record.partition < partitions:
        raise RecordRefusedError(
            f"{record.topic} has {partitions} partitions, none is {record.partition}"
        )
    if compacted and not record.key:
        raise RecordRefusedError(f"{record.topic} is compacted: its records need a key")
    if size_of(record) > MAX_RECORD_BYTES:
        raise RecordRefusedError(
            f"a record of {size_of(record)} bytes is over the limit of {MAX_RECORD_BYTES}"
        )


def size_of(record: Record) -> int:
    """Key, value and headers together, in bytes."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key) + len(record.value or b"") + headers
