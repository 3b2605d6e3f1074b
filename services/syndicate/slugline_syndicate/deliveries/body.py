"""The bodies of webhooks: serialised once; those bytes are signed and sent, on every attempt."""

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
_TEXTS = ("body_html", "body_text", "lead")


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
    body = orjson.dumps({"type": kind.value, "timestamp": timestamp, "data": data})
    if len(body) <= LARGEST:
        return body
    for part in ("entry", "blog"):
        if part in data:
            data[part] = {k: v for k, v in data[part].items() if k not in _TEXTS}
    data["truncated"] = True
    body = orjson.dumps({"type": kind.value, "timestamp": timestamp, "data": data})
    if len(body) > LARGEST and "entry" in data:
        kept = ("id", "url", "title", "published", "updated", "revision")
        data["entry"] = {k: v for k, v in data["entry"].items() if k in kept}
        body = orjson.dumps({"type": kind.value, "timestamp": timestamp, "data": data})
    return body
