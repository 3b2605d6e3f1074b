"""What happened to deliveries, for people: attempts, and dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson

from slugline.log import Record
from slugline.topics import ATTEMPTS, DEAD_LETTERS


class Attempt(NamedTuple):
    """One HTTP try. *number* counts from 1 within a delivery; *started* is in UTC."""

    event: str
    type: str
    number: int
    status: int | None
    error: str | None
    started: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up. *at* is RFC 3339 in UTC."""

    event: str
    type: str
    blog: str
    entry: str
    sequence: int
    partition: int
    offset: int
    reason: str
    attempts: int
    at: str


def encode_attempts(subscription_id: str, attempts: Sequence[Attempt]) -> Record:
    """The attempts of one flush as one record."""
    value = orjson.dumps(
        [
            {
                "event": event,
                "type": kind,
                "number": number,
                "status": status,
                "error": error,
                "started": started,
                "duration_ms": duration_ms,
            }
            for event, kind, number, status, error, started, duration_ms in attempts
        ],
        option=orjson.OPT_UTC_Z,
    )
    key = subscription_id.encode()
    return Record(topic=ATTEMPTS, key=key, value=value, partition_key=key)


def encode_dead_letter(subscription_id: str, letter: DeadLetter) -> Record:
    """*letter* as a record of its topic."""
    return Record(
        topic=DEAD_LETTERS,
        key=f"{subscription_id}|{letter.event}".encode(),
        value=orjson.dumps(letter),
        partition_key=subscription_id.encode(),
    )
