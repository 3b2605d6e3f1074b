"""Events: what happened to an entry or a blog, and how that stands in the log.

The envelope is CloudEvents 1.0 in the Kafka binding's binary mode: the facts about the event are
headers, the value is the JSON of the entry or blog.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from slugline.blog import Blog
from slugline.clock import parse_rfc3339, rfc3339
from slugline.codec import blog_from_json, entry_from_json, to_json
from slugline.entry import Entry
from slugline.errors import UndecodableRecordError
from slugline.log import Headers, Record
from slugline.topics import ENTRIES, blog_key, entry_key

SCHEMA = "urn:slugline:entries:1"

#: Fields that say who an entry is or how well it is known, but not what it says.
_NOT_CONTENT = frozenset({"blog_id", "id", "revision", "updated", "inferred", "confidence"})


class EventType(StrEnum):
    """The kinds of event that a subscription can ask for; the last two are sent to one endpoint alone."""

    ENTRY_CREATED = "entry.created"
    ENTRY_UPDATED = "entry.updated"
    ENTRY_DELETED = "entry.deleted"
    BLOG_UPDATED = "blog.updated"
    BLOG_CLOSED = "blog.closed"
    SUBSCRIPTION_TEST = "subscription.test"
    SUBSCRIPTION_GAP = "subscription.gap"


class Change(StrEnum):
    """What an `entry.updated` changed."""

    TITLE = "title"
    BODY = "body"
    MEDIA = "media"
    META = "meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """That *subject* (an entry, or a blog) became what it is now.

    *id* is the `ce_id`, and the `webhook-id`. *time* never goes back within a blog. *previous* is
    the id of the blog's preceding event as its writer knew it. *changed* and *significant* say what
    an update is about.
    """

    id: str
    type: EventType
    time: datetime
    subject: Entry | Blog
    previous: str | None = None
    changed: tuple[Change, ...] = ()
    significant: bool = True


class Envelope(NamedTuple):
    """The headers of a record, read without looking at its value: all that a view needs of most.

    A tuple, because one is made of each record.
    """

    id: str
    type: str
    time: datetime
    previous: str | None


def content_hash(subject: Entry | Blog) -> bytes:
    """SHA-256 of what *subject* says: its non-empty content fields, without inferred times."""
    content = {k: v for k, v in to_json(subject).items() if k not in _NOT_CONTENT}
    if isinstance(subject, Entry) and "published" in subject.inferred:
        del content["published"]
    if isinstance(subject, Entry) and subject.withdrawn:
        content = {"withdrawn": subject.withdrawn.by}
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def event_id(subject: Entry | Blog, previous_id: str | None) -> str:
    """The id of the event by which *subject* becomes so, after *previous_id* of the same subject.

    The same step always has the same id, so that publishing it again after a crash repeats nothing;
    chained, so that a change and its reversal are two events.
    """
    chained = b"\0".join((key_of(subject), (previous_id or "").encode(), content_hash(subject)))
    return sha256(chained).hexdigest()


def key_of(subject: Entry | Blog) -> bytes:
    """The key of *subject*'s records in the log."""
    return (
        entry_key(subject.blog_id, subject.id)
        if isinstance(subject, Entry)
        else blog_key(subject.id)
    )


def encode(event: Event) -> Record:
    """*event* as a record of the entries topic."""
    subject = event.subject
    blog_id = subject.blog_id if isinstance(subject, Entry) else subject.id
    name = "entry" if isinstance(subject, Entry) else "blog"
    value: dict[str, Any] = {name: to_json(subject)}
    if event.changed:
        value["changed"] = [change.value for change in event.changed]
    if not event.significant:
        value["significant"] = False
    return Record(
        topic=ENTRIES,
        key=key_of(subject),
        value=orjson.dumps(value),
        headers=_headers(event, blog_id, subject.id),
        partition_key=blog_id.encode(),
    )


def _headers(event: Event, blog_id: str, subject_id: str) -> Headers:
    pairs = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": f"/blogs/{blog_id}",
        "ce_type": event.type.value,
        "ce_subject": subject_id,
        "ce_time": rfc3339(event.time),
        "ce_partitionkey": blog_id,
        "ce_dataschema": SCHEMA,
        "content-type": "application/json",
    }
    if event.previous:
        pairs["ce_previous"] = event.previous
    return tuple((name, text.encode()) for name, text in pairs.items())


def envelope(headers: Headers) -> Envelope:
    """The facts in *headers*. Raises UndecodableRecordError where one is missing or wrong."""
    found = dict(headers)
    try:
        previous = found.get("ce_previous")
        return Envelope(
            id=found["ce_id"].decode(),
            type=found["ce_type"].decode(),
            time=parse_rfc3339(found["ce_time"].decode()),
            previous=previous.decode() if previous else None,
        )
    except (KeyError, ValueError) as error:
        raise UndecodableRecordError(
            f"its CloudEvents headers cannot be read: {error!r}"
        ) from error


def decode(headers: Headers, value: bytes) -> Event:
    """The event that *headers* and *value* state. Raises UndecodableRecordError."""
    return decode_as(envelope(headers), value)


def decode_as(facts: Envelope, value: bytes) -> Event:
    """The event of *value*, its headers having been read. Raises UndecodableRecordError."""
    try:
        body = orjson.loads(value)
        return Event(
            id=facts.id,
            type=EventType(facts.type),
            time=facts.time,
            subject=_subject(body),
            previous=facts.previous,
            changed=tuple(Change(name) for name in body.get("changed", ())),
            significant=body.get("significant", True),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableRecordError(f"its value cannot be read: {error!r}") from error


def _subject(body: dict[str, Any]) -> Entry | Blog:
    return entry_from_json(body["entry"]) if "entry" in body else blog_from_json(body["blog"])
