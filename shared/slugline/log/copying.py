"""A log copied into another, of the same or another engine, partition by partition.

The copy's sequences begin above the source's highest, so that they go on increasing for receivers.
Claims and epochs stay behind; whatever names an offset is given the offset in the copy. A mark
stands in the copy until it is whole, and services refuse a log with that mark.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from slugline.clock import Clock
from slugline.errors import LogError, LogNotCopiedError, UndecodableRecordError
from slugline.log import MAX_RECORD_BYTES, Log, Record, StoredRecord, TopicPartition
from slugline.log.check import size_of
from slugline.log.places import Place, Places
from slugline.log.reading import Edges, by_time, in_chunks, records_between
from slugline.log.written import kept
from slugline.marks import AGAIN, COPY, UNFINISHED, mark, standing_marks
from slugline.topics import (
    ATTEMPTS,
    CURSORS,
    DEAD_LETTERS,
    ENTRIES,
    SOURCES,
    SPECS,
    SUBSCRIPTIONS,
    base_of,
    is_base,
    is_claim,
    is_own,
    write_bases,
)

TOPICS = tuple(spec.name for spec in SPECS)


Rewrite = Callable[[bytes, Places], bytes]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What the values that name places in the entries become in a copy.

    Each raises UndecodableRecordError for a value that cannot be read. *epoch* is that of a cursor:
    of two cursors of one subscription the one with the higher epoch counts, then the later one.
    """

    subscription: Rewrite
    cursor: Rewrite
    dead_letter: Rewrite
    epoch: Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Copied:
    """How much a copy holds: records, and how many were left out because they cannot be read."""

    records: int
    unreadable: int
    partitions: int


#: Told how many offsets of the source are done, of how many; first before anything is written.
OnProgress = Callable[[int, int], None]
#: What a record becomes in the copy; None: it is left out.
Change = Callable[[StoredRecord], StoredRecord | None]


async def copy_log(
    source: Log,
    destination: Log,
    clock: Clock,
    rewriting: Rewriting,
    on_progress: OnProgress,
    partitions: int | None = None,
) -> Copied:
    """Copy *source*, to which nobody writes meanwhile, into *destination*, which must be empty.

    The copy has the source's number of partitions unless *partitions* says another.

    Raises:
        LogNotCopiedError: the destination is not empty, the source no whole log or written to
            meanwhile, or an engine failed; what was copied so far stays marked as unfinished.
        LogDamagedError: the source is none that slugline made.
        LogError: an engine failed before anything was copied.
    """
    begins, ends = await source.begins(TOPICS), await source.ends(TOPICS)
    count = sum(tp.topic == ENTRIES for tp in ends)
    if not count or COPY in await standing_marks(source):
        raise LogNotCopiedError(f"the source is no whole log: {UNFINISHED if count else 'empty'}")
    above = await _above(source, begins, ends)
    number = await _prepare(destination, partitions, count, above)
    copy = _Copy(source, destination, begins, ends, rewriting, on_progress, number)
    copy.tell()
    try:
        await destination.publish([mark(COPY, b"{}")])
        await write_bases(destination, max(above, int(clock.now().timestamp() * 1_000_000)))
        await copy.run()
        if dict(await source.ends(TOPICS)) != dict(ends):
            raise LogNotCopiedError("the source was written to meanwhile; stop what uses it")
        await destination.publish([mark(COPY, None)])
    except LogError as error:
        raise LogNotCopiedError(f"{error}: the destination is no whole log, {AGAIN}") from error
    return Copied(copy.records, copy.unreadable, number)


async def _above(source: Log, begins: Edges, ends: Edges) -> int:
    """The first sequence above every one that *source* has given."""
    highest = 0
    for tp, end in ends.items():
        if tp.topic != ENTRIES:
            continue
        async with aclosing(
            records_between(source, ENTRIES, begins, ends, only=tp.partition)
        ) as records:
            async for first in records:
                highest = max(highest, base_of(first) + end - 1)
                break
    return highest + 1


async def _prepare(destination: Log, wanted: int | None, usual: int, above: int) -> int:
    """Make the topics of *destination* and check that it is empty; how many partitions it has."""
    await destination.ensure(SPECS, wanted or usual)
    begins, ends = await destination.begins(TOPICS), await destination.ends(TOPICS)
    number = sum(tp.topic == ENTRIES for tp in ends)
    if number != (wanted or usual):
        raise LogNotCopiedError(
            f"the destination has {number} partitions already, not {wanted or usual}:"
            f" copy to that number with '--partitions {number}', or name another destination"
        )
    if COPY in await standing_marks(destination):
        raise LogNotCopiedError(f"the destination is no empty log: {UNFINISHED}")
    if any(begins[tp] < end for tp, end in ends.items() if tp.topic != ENTRIES):
        raise _in_use()
    async with aclosing(records_between(destination, ENTRIES, begins, ends)) as records:
        async for record in records:
            if not is_base(record.key):
                raise _in_use()
            if base_of(record) < above:
                raise LogNotCopiedError(
                    "the destination was provisioned with a base below the source's sequences:"
                    " delete its topics, or name another destination; the copy makes its own"
                )
    return number


def _in_use() -> LogNotCopiedError:
    return LogNotCopiedError(
        "the destination holds a log already, and nothing was written to it: name another file,"
        " another SLUGLINE_KAFKA_PREFIX, or delete what is there"
    )


class _Copy:
    """One copy under way: the entries first, since all else names places in them."""

    def __init__(
        self,
        source: Log,
        destination: Log,
        begins: Edges,
        ends: Edges,
        rewriting: Rewriting,
        on_progress: OnProgress,
        partitions: int,
    ) -> None:
        self._source = source
        self._destination = destination
        self._begins = begins
        self._ends = ends
        self._rewriting = rewriting
        self._on_progress = on_progress
        same = partitions == sum(tp.topic == ENTRIES for tp in ends)
        self._places = Places(partitions, same=same)
        self._done = dict(begins)
        self.records = 0
        self.unreadable = 0

    async def run(self) -> None:
        rewriting = self._rewriting
        await self._copy(ENTRIES, self._entries(), self._entry)
        ends = await self._destination.ends([ENTRIES])
        self._places.end_at({tp.partition: end for tp, end in ends.items()})
        await self._copy(SOURCES, self._read(SOURCES), lambda record: record)
        await self._copy(ATTEMPTS, self._read(ATTEMPTS), lambda record: record)
        for topic, records, rewrite in (
            (DEAD_LETTERS, self._read(DEAD_LETTERS), rewriting.dead_letter),
            (CURSORS, self._cursors(), rewriting.cursor),
            (SUBSCRIPTIONS, self._read(SUBSCRIPTIONS), rewriting.subscription),
        ):
            await self._copy(topic, records, partial(self._rewritten, rewrite))

    async def _copy(
        self, topic: str, records: AsyncGenerator[StoredRecord, None], change: Change
    ) -> None:
        async with aclosing(in_chunks(records)) as chunks:
            async for chunk in chunks:
                changed = [c for record in chunk if (c := change(record)) is not None]
                await self._publish(changed)
                self._done |= {TopicPartition(topic, r.partition): r.offset + 1 for r in chunk}
                self.tell()
        self._done |= {tp: end for tp, end in self._ends.items() if tp.topic == topic}
        self.tell()

    async def _publish(self, records: Sequence[StoredRecord]) -> None:
        offsets = await self._destination.publish([self._as_published(r) for r in records])
        for record, (topic, partition, offset) in zip(records, offsets, strict=True):
            if topic == ENTRIES:
                self._places.add(record.partition, record.offset, Place(partition, offset))
        self.records += len(records)

    def _as_published(self, record: StoredRecord) -> Record:
        own = self._places.same or is_own(record.key)
        copied = Record(
            topic=record.topic,
            key=record.key,
            value=record.value,
            headers=kept(record),
            partition=record.partition if own else None,
            # A blog's id, or a subscription's: in every topic what stands before the first bar.
            partition_key=None if own else record.key.partition(b"|")[0],
        )
        # A record as large as may be has no room to say when it was first written.
        fits = size_of(copied) <= MAX_RECORD_BYTES
        return copied if fits else replace(copied, headers=record.headers)

    def tell(self) -> None:
        steps = sum(self._done[tp] - self._begins[tp] for tp in self._ends)
        self._on_progress(steps, sum(self._ends[tp] - self._begins[tp] for tp in self._ends))

    # --- what is read, and what becomes of it -----------------------------------------------------

    def _read(self, topic: str, only: int | None = None) -> AsyncGenerator[StoredRecord, None]:
        return records_between(self._source, topic, self._begins, self._ends, only=only)

    def _entries(self) -> AsyncGenerator[StoredRecord, None]:
        """In order of their partitions; merged by time where those are shared out anew."""
        if self._places.same:
            return self._read(ENTRIES)
        partitions = [tp.partition for tp in self._ends if tp.topic == ENTRIES]
        return by_time([self._read(ENTRIES, p) for p in partitions])

    async def _cursors(self) -> AsyncGenerator[StoredRecord, None]:
        """The cursor that counts of each subscription, without claims."""
        counting: dict[bytes, tuple[int, StoredRecord]] = {}
        async with aclosing(self._read(CURSORS)) as records:
            async for record in records:
                if record.value is None:
                    counting.pop(record.key, None)
                elif not is_claim(record.key):
                    self._count(record, record.value, counting)
        for _, record in counting.values():
            yield record

    def _count(
        self,
        record: StoredRecord,
        value: bytes,
        counting: dict[bytes, tuple[int, StoredRecord]],
    ) -> None:
        try:
            epoch = self._rewriting.epoch(value)
        except UndecodableRecordError:
            self.unreadable += 1
            return
        held = counting.get(record.key)
        if held is None or epoch >= held[0]:
            counting[record.key] = (epoch, record)

    def _entry(self, record: StoredRecord) -> StoredRecord | None:
        return None if is_base(record.key) else record

    def _rewritten(self, rewrite: Rewrite, record: StoredRecord) -> StoredRecord | None:
        if record.key == COPY:
            return None
        if record.value is None or is_own(record.key):
            return record
        try:
            return replace(record, value=rewrite(record.value, self._places))
        except UndecodableRecordError:
            self.unreadable += 1
            return None
