"""The bodies of webhooks: serialised once; those bytes are signed and sent, on every attempt."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from slugline.blog import Blog
from slugline.clock import rfc3339
from slugline.codec import to_json
from slugline.entry import Entry
from slugline.events import Event, EventType
from slugline.view.entries import StoredEvent
from slugline_syndicate.links import blog_url, entry_url

SCHEMA = 1

#: A larger body goes without the texts, marked as truncated; in bytes.
LARGEST = 64 * 1024

_HIDDEN = ("blog_id", "withdrawn")
_TEXTS = frozenset({"body_html", "body_text", "lead"})
_NAMES = frozenset({"id", "url"})
_ESSENTIAL = _NAMES | {"title", "published", "updated", "revision", "state"}


def render(event: Event, sequence: int, public_url: str) -> bytes:
    """The body of *event*: a function of the event's record and the public URL alone."""
    subject = event.subject
    blog_id = subject.blog_id if isinstance(subject, Entry) else subject.id
    data: dict[str, Any] = {
        "sequence": sequence,
        "previous": event.previous,
        "schema": SCHEMA,
        "blog": {"id": blog_id, "url": blog_url(public_url, blog_id)},
    }
    if isinstance(subject, Entry):
        data["entry"] = _entry(subject, public_url)
    else:
        data["blog"] |= _blog(subject)
    if event.changed:
        data["changed"] = [change.value for change in event.changed]
        data["significant"] = event.significant
    return _bounded(event.type, rfc3339(event.time), data)


def render_stored(stored: StoredEvent, public_url: str) -> bytes | None:
    """The body of *stored*; None where a withdrawal took its text."""
    return None if stored.event is None else render(stored.event, stored.sequence, public_url)


def test_body(subscription_id: str, order: int, at: str) -> bytes:
    """The body of a `subscription.test`."""
    data = {"schema": SCHEMA, "subscription": subscription_id, "order": order}
    return _bounded(EventType.SUBSCRIPTION_TEST, at, data)


def gap_body(subscription_id: str, sequence: int, at: str) -> bytes:
    """The body of a `subscription.gap`: revisions before *sequence* may be missing."""
    data = {"schema": SCHEMA, "subscription": subscription_id, "sequence": sequence}
    return _bounded(EventType.SUBSCRIPTION_GAP, at, data)


def own_id(kind: EventType, subscription_id: str, number: int, partition: int = 0) -> str:
    """The id of an event that is sent to one endpoint alone: the same for the same reason."""
    return sha256(f"{kind}|{subscription_id}|{partition}|{number}".encode()).hexdigest()


def _entry(entry: Entry, public_url: str) -> dict[str, Any]:
    url = entry_url(public_url, entry.blog_id, entry.id)
    if entry.withdrawn:
        times = {
            "published": rfc3339(entry.published),
            "withdrawn": rfc3339(entry.withdrawn.at),
        }
        return {"id": entry.id, "url": url, **times}
    said = {name: value for name, value in to_json(entry).items() if name not in _HIDDEN}
    return {"id": entry.id, "url": url, **said}


def _blog(blog: Blog) -> dict[str, Any]:
    return {name: value for name, value in to_json(blog).items() if name not in ("id", "authority")}


def _bounded(kind: EventType, timestamp: str, data: dict[str, Any]) -> bytes:
    """The body; too large, it says less: first without texts, then who and when, then who."""
    body = _serialised(kind, timestamp, data)
    for keeps in (lambda name: name not in _TEXTS, _ESSENTIAL.__contains__, _NAMES.__contains__):
        if len(body) <= LARGEST:
            break
        body = _serialised(kind, timestamp, _less(data, keeps))
    return body


def _less(data: dict[str, Any], keeps: Callable[[str], bool]) -> dict[str, Any]:
    smaller: dict[str, Any] = {
        part: {name: value for name, value in data[part].items() if keeps(name)}
        for part in ("blog", "entry")
        if part in data
    }
    return {**data, **smaller, "truncated": True}


def _serialised(kind: EventType, timestamp: str, data: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind.value, "timestamp": timestamp, "data": data})
