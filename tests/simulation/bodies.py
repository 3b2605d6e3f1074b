"""What requests say: signed as Standard Webhooks wants it, and nothing but what stands in the log."""

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import orjson

from slugline.clock import parse_rfc3339
from slugline.entry import Entry
from slugline.events import Event
from tests.simulation.history import SubscriptionHistory
from tests.simulation.loop import EPOCH
from tests.simulation.receivers import Arrival

#: How far a signature's time may be from the attempt's, clocks being wrong, in seconds.
STALE = 15.0


class Placed(Protocol):
    """An accepted event with its place."""

    @property
    def event(self) -> Event: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def forged(history: SubscriptionHistory, arrivals: Sequence[Arrival]) -> Iterator[str]:
    """Requests whose signature a receiver would refuse. Sealed secrets cannot be judged."""
    secrets = history.secrets()
    for arrival in arrivals:
        if not arrival.headers or not all(secret.startswith("whsec_") for secret in secrets):
            continue
        if not any(_is_signed(arrival, secret) for secret in secrets):
            yield f"a signature that is none at {arrival.at:.3f} to {arrival.url}"
        stated = float(arrival.headers["webhook-timestamp"]) - EPOCH.timestamp()
        if abs(stated - arrival.at) > STALE and abs(stated - arrival.sent) > STALE:
            yield f"signed for another time at {arrival.at:.3f}: {stated:.3f}"


def _is_signed(arrival: Arrival, secret: str) -> bool:
    name, at = arrival.headers["webhook-id"], arrival.headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{at}.".encode() + arrival.body, sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}"
    return wanted in arrival.headers["webhook-signature"].split(" ")


def misstated(
    arrivals: Sequence[Arrival], events: Mapping[str, Placed], bases: Mapping[int, int]
) -> Iterator[str]:
    """Bodies that say something else than their event does."""
    seen: set[str] = set()
    for arrival in arrivals:
        placed = events.get(arrival.webhook_id)
        if placed is None or arrival.webhook_id in seen:  # later ones have the same bytes
            continue
        seen.add(arrival.webhook_id)
        body = orjson.loads(arrival.body)
        wrong = [what for what, is_right in _facts(body, placed, bases) if not is_right]
        if wrong:
            yield f"{arrival.webhook_id[:8]} misstates {', '.join(wrong)}"


def _facts(
    body: dict[str, Any], placed: Placed, bases: Mapping[int, int]
) -> list[tuple[str, bool]]:
    event, data = placed.event, body["data"]
    facts = [
        ("type", body["type"] == event.type),
        ("timestamp", parse_rfc3339(body["timestamp"]) == event.time),
        ("sequence", data["sequence"] == bases[placed.partition] + placed.offset),
        ("previous", data["previous"] == event.previous),
    ]
    subject = event.subject
    if isinstance(subject, Entry):
        entry = data["entry"]
        facts += [
            ("blog", data["blog"]["id"] == subject.blog_id),
            ("entry", entry["id"] == subject.id),
            ("text", entry.get("body_text", "") == subject.body_text),
        ]
    return facts
