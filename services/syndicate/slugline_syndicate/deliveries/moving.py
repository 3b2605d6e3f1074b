"""Subscriptions, cursors and dead letters in a copy of their log: offsets become those of the copy.

Fields that this version does not know are kept as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from slugline.errors import UndecodableRecordError
from slugline.log.copying import Rewriting
from slugline.log.places import Places
from slugline_syndicate.deliveries.cursor import decode_cursor
from slugline_syndicate.deliveries.subscription import decode_subscription, positions_of

Json = dict[str, Any]


def moved_subscription(value: bytes, places: Places) -> bytes:
    """A subscription's *value* as it stands in the copy. Raises UndecodableRecordError."""
    decode_subscription(value)
    body = orjson.loads(value)
    body["start"] = _named(places.earliest(positions_of(body["start"])))
    body["filters"] = list(_filters(body["filters"], places))
    for order in body.get("orders", ()):
        if order.get("positions"):
            order["positions"] = _named(places.earliest(positions_of(order["positions"])))
    return orjson.dumps(body)


def moved_cursor(value: bytes, places: Places) -> bytes:
    """A cursor's *value* as it stands in the copy, without an epoch. Raises UndecodableRecordError."""
    decode_cursor("", value)
    body = orjson.loads(value)
    body["epoch"] = 0  # any claim is at or above it
    body["positions"] = _named(places.earliest(positions_of(body["positions"])))
    body["heads"] = _heads(body.get("heads", {}), places)
    # A gap that was told of one partition says nothing of those that it was merged with: where
    # partitions are shared out anew, it is told again.
    gaps = positions_of(body.get("gaps", {})) if places.same else {}
    moved = places.earliest(gaps)
    body["gaps"] = _named({p: moved[p] for p in gaps})
    if body.get("due") and not places.same:  # merged, all may wait as long as any does
        body["due"] = dict.fromkeys(body["positions"], min(body["due"].values()))
    return orjson.dumps(body)


def moved_dead_letter(value: bytes, places: Places) -> bytes:
    """A dead letter's *value* as it stands in the copy; its sequence is what its receiver was told."""
    try:
        body = orjson.loads(value)
        place = places.near(body["partition"], body["offset"])
    except (KeyError, TypeError, ValueError) as error:
        raise UndecodableRecordError(f"its value is no dead letter: {error!r}") from error
    return orjson.dumps({**body, "partition": place.partition, "offset": place.offset})


REWRITING = Rewriting(
    subscription=moved_subscription,
    cursor=moved_cursor,
    dead_letter=moved_dead_letter,
    epoch=lambda value: decode_cursor("", value).epoch,
)


def _filters(filters: Sequence[Json], places: Places) -> Iterator[Json]:
    """*filters* in the copy. Where a place of change is not exact there, all that held before count
    beside the new one until it alone holds: more may be sent, nothing is missed."""
    before: list[Json] = []
    for each in filters:
        before.append(each)
        if not each["since"]:
            yield each
            continue
        since = positions_of(each["since"])
        earliest, latest = places.earliest(since), places.latest(since)
        if latest != earliest:
            yield {**each, **_together(before), "since": _named(earliest)}
        yield {**each, "since": _named(latest)}


def _together(filters: Sequence[Json]) -> Json:
    """What any of *filters* matches, at the least."""
    blogs = sorted({blog for each in filters for blog in each["blogs"]})
    types = [each.get("types", ()) for each in filters]
    every = not all(types)  # no types: all of them
    return {"blogs": blogs, "types": [] if every else sorted({t for each in types for t in each})}


def _heads(heads: Mapping[str, Json], places: Places) -> dict[str, Json]:
    """What was known of events at heads, where they were copied; of several in one partition of the
    first, since no other is its head."""
    found: dict[int, Json] = {}
    for partition, head in heads.items():
        place = places.at(int(partition), head["offset"])
        if place and place.offset < found.get(place.partition, {"offset": 2**63})["offset"]:
            found[place.partition] = {**head, "offset": place.offset}
    return {str(p): head for p, head in found.items()}


def _named(positions: Mapping[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in positions.items()}
