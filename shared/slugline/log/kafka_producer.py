"""Publishing to Kafka: an idempotent producer that is replaced as soon as it cannot be trusted.

aiokafka's producer never gives up on a batch, and one record that the broker refuses makes it
useless for that partition. So a deadline encloses a whole publish; a producer that missed it, or
that had an error which it does not retry, is cut off and the next publish starts another.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from slugline.errors import (
    LogError,
    LogMismatchError,
    LogUnavailableError,
    OutcomeUnknownError,
    RecordRefusedError,
)
from slugline.log import Record
from slugline.log.kafka_connection import Connection, Shared

#: Bytes of a partition that travel together. A batch of several records stays far below the
#: broker's limit, and a publish of many records does not wait for each 16 kB (aiokafka's default).
BATCH_BYTES = 131_072

#: The broker looked at the records and took none of their batch.
_REFUSALS = (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)

logger = structlog.get_logger()


class Placed(NamedTuple):
    """A record and where it goes: the topic as Kafka calls it, and the partition."""

    topic: str
    partition: int
    record: Record


class _Session(NamedTuple):
    """A producer. *gone* is done once it is cut off: nobody need wait for it any longer."""

    producer: Any
    gone: asyncio.Future[None]


class Publisher:
    """Hands records to one producer after another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._shared: Shared[_Session] = Shared(self._start, lambda s: connection.end(s.producer))

    async def publish(self, records: Sequence[Placed], deadline: float) -> list[int]:
        """Write *records*; returns the offset of each. *deadline* is an instant of the loop's time.

        Raises as `Log.publish` does.
        """
        try:
            async with asyncio.timeout_at(deadline):
                session = await self._shared.get()
        except TimeoutError as error:
            raise LogUnavailableError(
                "Kafka did not answer in time; nothing was written"
            ) from error
        handed: list[asyncio.Future[Any]] = []
        sending = asyncio.ensure_future(_send(session.producer, records, handed))
        left = deadline - asyncio.get_running_loop().time()
        either: set[asyncio.Future[Any]] = {sending, session.gone}
        try:
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                return self._settled(session, sending, handed)
        finally:
            sending.cancel()
        self._abandon(session, "no acknowledgement in time")
        raise _unfinished(handed)

    async def close(self) -> None:
        """Cut off the producer; whoever still waits for it learns that the outcome is unknown."""
        session = await self._shared.close()
        if session and not session.gone.done():
            session.gone.set_result(None)

    async def _start(self) -> _Session:
        producer = await self._connection.start(
            AIOKafkaProducer,
            enable_idempotence=True,  # which means acks=all
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=round(self._connection.timing.publish * 1000),
        )
        return _Session(producer, asyncio.get_running_loop().create_future())

    def _settled(
        self, session: _Session, sending: asyncio.Task[list[Any]], handed: Sequence[Any]
    ) -> list[int]:
        """The offsets, or the error, of a publish whose every record was answered."""
        if sending.cancelled():  # by the producer: it was ended from elsewhere
            self._abandon(session, "the producer was ended")
            raise _unfinished(handed)
        error = sending.exception()
        if isinstance(error, MessageSizeTooLargeError) and not handed:
            raise RecordRefusedError(str(error)) from error  # the client's own limit: harmless
        if error is not None:
            self._abandon(session, repr(error))
            raise _unfinished(handed) from error
        outcomes = sending.result()
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            self._abandon(session, repr(failures[0]))
            raise _failed(failures, len(outcomes)) from failures[0]
        offsets = [outcome.offset for outcome in outcomes]
        if min(offsets) < 0:
            raise OutcomeUnknownError("written, but Kafka no longer knows where")
        return offsets

    def _abandon(self, session: _Session, reason: str) -> None:
        if session.gone.done():
            return  # somebody else was first
        logger.warning("log.producer_replaced", reason=reason)
        session.gone.set_result(None)
        self._shared.drop(session)


async def _send(
    producer: Any, records: Sequence[Placed], handed: list[asyncio.Future[Any]]
) -> list[Any]:
    """What became of each of *records*; those that the producer has taken are in *handed*."""
    for topic, partition, record in records:
        # The producer stamps the record; the topic's broker then puts its own time.
        future = await producer.send(
            topic,
            record.value,
            key=record.key,
            partition=partition,
            headers=list(record.headers),
        )
        future.add_done_callback(_seen)
        handed.append(future)
    return await asyncio.gather(*handed, return_exceptions=True)


def _seen(future: asyncio.Future[Any]) -> None:
    """Nobody may be left to look at it."""
    if not future.cancelled():
        future.exception()


def _unfinished(handed: Sequence[Any]) -> LogError:
    if handed:
        return OutcomeUnknownError("Kafka did not acknowledge in time; it may still be written")
    return LogUnavailableError("Kafka did not take the records in time; nothing was written")


def _failed(failures: Sequence[BaseException], records: int) -> LogError:
    first = failures[0]
    if len(failures) == records:
        if all(isinstance(failure, _REFUSALS) for failure in failures):
            return RecordRefusedError(f"Kafka refuses the record: {first}")
        if all(isinstance(failure, TopicAuthorizationFailedError) for failure in failures):
            return LogMismatchError(f"Kafka does not let us write: {first}; ask for that right")
    if isinstance(first, KafkaError):
        return OutcomeUnknownError(f"Kafka did not acknowledge: {first}; it may be written in part")
    return OutcomeUnknownError(f"publishing failed: {first!r}; it may be written in part")
