"""Reads of a log that come to an end."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from heapq import heapify, heappop, heapreplace

from slugline.log import Log, StoredRecord, TopicPartition
from slugline.log.written import written_at

#: Records, and bytes, that are handled at once.
CHUNK = 500
CHUNK_BYTES = 1_000_000

Edges = Mapping[TopicPartition, int]


async def records_between(
    log: Log, topic: str, begins: Edges, ends: Edges, *, only: int | None = None
) -> AsyncGenerator[StoredRecord, None]:
    """The records of *topic* (of the partition *only*) from *begins* on, below *ends*.

    Each partition in order of offsets. Close it where it is left early. Raises as `Log.read` does.
    """
    ours = {tp: end for tp, end in ends.items() if tp.topic == topic}
    wanted = {
        tp: end for tp, end in ours.items() if only in (None, tp.partition) and begins[tp] < end
    }
    if not wanted:
        return
    positions = {tp: begins[tp] if tp in wanted else end for tp, end in ours.items()}
    async with aclosing(log.read([topic], positions)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            for record in batch.records:
                if record.offset < wanted.get(TopicPartition(topic, record.partition), 0):
                    yield record
            positions.update(batch.positions)
            if all(positions[tp] >= end for tp, end in wanted.items()):
                return


async def in_chunks(
    records: AsyncGenerator[StoredRecord, None],
) -> AsyncGenerator[list[StoredRecord], None]:
    """*records* in pieces of at most CHUNK records, and of CHUNK_BYTES and a record more."""
    chunk: list[StoredRecord] = []
    room = CHUNK_BYTES
    async with aclosing(records):
        async for record in records:
            chunk.append(record)
            room -= len(record.key) + len(record.value or b"")
            if len(chunk) >= CHUNK or room <= 0:
                yield chunk
                chunk, room = [], CHUNK_BYTES
    if chunk:
        yield chunk


async def by_time(
    streams: Sequence[AsyncGenerator[StoredRecord, None]],
) -> AsyncGenerator[StoredRecord, None]:
    """The records of *streams*, oldest first, each stream in its own order.

    So records of one time stand together whichever partition they come from, and a position, which
    names the ends of all partitions at one time, is nearly exact also where they are shared out anew.
    """
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stack.enter_async_context(aclosing(stream))
        heads = [
            (written_at(r), n, r) for n, s in enumerate(streams) if (r := await anext(s, None))
        ]
        heapify(heads)
        while heads:
            time, number, record = heads[0]
            yield record
            following = await anext(streams[number], None)
            if following is None:
                heappop(heads)
            else:  # a clock that was set back does not count
                heapreplace(heads, (max(time, written_at(following)), number, following))
