"""Cursor: how far a subscription has got. Written by the owner alone, with its epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import orjson

from slugline.clock import parse_rfc3339
from slugline.codec import whole
from slugline.errors import UndecodableRecordError
from slugline.log import Record
from slugline.topics import CURSORS, claim_key
from slugline_syndicate.deliveries.policy import Head, Health
from slugline_syndicate.deliveries.subscription import positions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """All positions of a subscription (the offset to deliver next) and its failure state.

    *heads* holds, by partition, how the event at the head fares where it was tried already. *gaps*
    holds up to which offset only newest revisions are delivered. *order* is the last one done.
    *due* holds, by partition, since when events wait, at the longest, where that is known. *filter*
    is the revision of the newest filter that judged what the positions have passed.
    *written* is when the cursor itself was, as a view read it.
    """

    subscription_id: str
    epoch: int
    positions: Mapping[int, int]
    health: Health = Health()  # noqa: RUF009 - frozen
    heads: Mapping[int, Head] = field(default_factory=dict)
    gaps: Mapping[int, int] = field(default_factory=dict)
    order: int = 0
    due: Mapping[int, datetime] = field(default_factory=dict)
    filter: int = 0
    written: datetime | None = None


def encode_cursor(cursor: Cursor) -> Record:
    """*cursor* as a record of the cursors topic."""
    value: dict[str, Any] = {
        "epoch": cursor.epoch,
        "positions": cursor.positions,
        "order": cursor.order,
        "health": _packed(cursor.health, _HEALTH),
    }
    if cursor.heads:
        value["heads"] = {p: _packed(head, _HEAD) for p, head in cursor.heads.items()}
    if cursor.gaps:
        value["gaps"] = cursor.gaps
    if cursor.due:
        value["due"] = cursor.due
    if cursor.filter:
        value["filter"] = cursor.filter
    return _record(cursor.subscription_id, orjson.dumps(value, option=_OPTIONS))


def deleted_cursor(subscription_id: str) -> Record:
    """The record that ends the cursor of a subscription that was deleted."""
    return _record(subscription_id, None)


def claim(partition: int, owner: str) -> Record:
    """The record by which *owner* becomes the owner of *partition*; its offset is the epoch."""
    value = orjson.dumps({"owner": owner})
    return Record(topic=CURSORS, key=claim_key(partition), value=value, partition=partition)


def decode_cursor(subscription_id: str, value: bytes) -> Cursor:
    """The inverse of `encode_cursor`. Raises UndecodableRecordError."""
    try:
        body = orjson.loads(value)
        return Cursor(
            subscription_id=subscription_id,
            epoch=whole(body["epoch"]),
            positions=positions_of(body["positions"]),
            health=_unpacked(Health, body.get("health", {}), _HEALTH),
            heads={
                int(p): _unpacked(Head, head, _HEAD) for p, head in body.get("heads", {}).items()
            },
            gaps=positions_of(body.get("gaps", {})),
            order=whole(body.get("order", 0)),
            due={int(p): parse_rfc3339(at) for p, at in body.get("due", {}).items()},
            filter=whole(body.get("filter", 0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableRecordError(f"its value is no cursor: {error!r}") from error


State = TypeVar("State", Health, Head)

# Cursors are written and read all the time: what is the same for all of them is looked up once.
_HEALTH = {f.name: getattr(Health(), f.name) for f in fields(Health)}
_HEAD = {f.name: getattr(Head(offset=-1), f.name) for f in fields(Head)}
#: Partitions are numbers here and text in JSON; instants are written as `rfc3339` writes them.
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
_INSTANTS = frozenset(
    {"failing_since", "until", "disabled_at", "last_success", "first_server_error"}
)


def _packed(state: State, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from *defaults*."""
    return {
        name: value
        for name, default in defaults.items()
        if (value := getattr(state, name)) is not default and value != default
    }


def _unpacked(kind: type[State], value: Mapping[str, Any], names: Mapping[str, Any]) -> State:
    known: dict[str, Any] = {
        n: parse_rfc3339(v) if n in _INSTANTS and v else v for n, v in value.items() if n in names
    }
    return kind(**known)


def _record(subscription_id: str, value: bytes | None) -> Record:
    key = subscription_id.encode()
    return Record(topic=CURSORS, key=key, value=value, partition_key=key)
