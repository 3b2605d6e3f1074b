"""Whose log it is: an installation marks its log, so that another one cannot work on it by mistake.

The mark is the installation's name, sealed with its secret key. Who cannot open it would neither be
able to sign what the log's subscriptions ask for.
"""

import asyncio
import secrets
from collections.abc import Mapping

import structlog

from slugline.clock import Clock
from slugline.errors import (
    LogDamagedError,
    LogError,
    LogMismatchError,
    OtherInstallationError,
)
from slugline.log import Log, StoredRecord
from slugline.marks import COPY, INSTALLATION, UNFINISHED, mark, standing_marks
from slugline.topics import ENTRIES
from slugline_syndicate.deliveries.sealing import SealBrokenError, Sealer

#: How long one look may take, and how long to wait before the next, in seconds.
WITHIN = 30.0
RETRY = 0.5

logger = structlog.get_logger()


async def make_sure(log: Log, sealer: Sealer, clock: Clock) -> None:
    """Wait until *log* can be asked, and is known to be ours. Raises as `belong` does."""
    told = False
    while True:
        try:
            async with asyncio.timeout(WITHIN):
                await belong(log, sealer)
            return
        except (LogDamagedError, OtherInstallationError):
            raise
        except (LogError, TimeoutError) as error:
            if not told:
                told = True
                logger.warning("log.unreachable", reason=str(error) or "timeout")
        await clock.sleep(RETRY)


async def belong(log: Log, sealer: Sealer) -> None:
    """Check that *log* is ours, and mark it where it is nobody's yet.

    Raises:
        OtherInstallationError: it is marked by one whose key we lack.
        LogDamagedError: a copy into it was not finished.
        LogError: it cannot be asked or written to now, or has no base records yet.
    """
    await _check_bases(log)
    marks = await standing_marks(log)
    if COPY in marks:
        raise LogDamagedError(f"this log cannot be used: {UNFINISHED}")
    if not _owners(marks):
        name = secrets.token_hex(8)
        await log.publish([mark(INSTALLATION + name.encode(), sealer.seal(name).encode())])
        marks = await standing_marks(log)
    owner, *others = _owners(marks)
    if others:  # processes raced: the lowest offset counts, and the rest is void
        await log.publish([mark(other.key, None) for other in others])
    await _open(owner, log, sealer)


def _owners(marks: Mapping[bytes, StoredRecord]) -> list[StoredRecord]:
    return [record for key, record in marks.items() if key.startswith(INSTALLATION)]


async def _open(owner: StoredRecord, log: Log, sealer: Sealer) -> None:
    sealed = (owner.value or b"").decode(errors="replace")
    try:
        name = sealer.open(sealed)
    except SealBrokenError as error:
        raise OtherInstallationError(
            "this log belongs to an installation with another secret key: use its"
            " SLUGLINE_SECRET_KEY, or another log (SLUGLINE_LOG_URL, SLUGLINE_KAFKA_PREFIX)"
        ) from error
    if not sealer.is_newest(sealed):  # sealed anew, so that an old key may go
        await log.publish([mark(owner.key, sealer.seal(name).encode())])


async def _check_bases(log: Log) -> None:
    """Raise LogMismatchError where topics are there, but were not provisioned (yet)."""
    ends = await log.ends([ENTRIES])
    empty = sorted(tp.partition for tp, end in ends.items() if end == 0)
    if empty:
        raise LogMismatchError(
            f"partition {empty[0]} of {ENTRIES} has no base record: run `slugline topics ensure`"
        )
