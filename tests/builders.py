"""Valid domain records by default; override by keyword."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from slugline.blog import Blog, BlogId
from slugline.entry import Entry, EntryId, Withdrawal
from slugline.events import Event, EventType, encode, event_id
from slugline.log import Record, StoredRecord
from slugline.log.partition import partition_for
from slugline.topics import ENTRIES, base_key
from slugline_syndicate.deliveries.subscription import Filter, Subscription

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BASE = 1_700_000_000_000_000


def a_blog(blog_id: str = "storm", **fields: Any) -> Blog:
    return Blog(**{"id": BlogId(blog_id), "authority": "news.example", "title": "Storm", **fields})


def an_entry(entry_id: str = "e1", blog_id: str = "storm", **fields: Any) -> Entry:
    defaults: dict[str, Any] = {
        "blog_id": BlogId(blog_id),
        "id": EntryId(entry_id),
        "title": f"Heading of {entry_id}",
        "body_html": "<p>The ferry stays in port.</p>",
        "body_text": "The ferry stays in port.",
        "published": NOON,
        "updated": NOON,
    }
    return Entry(**{**defaults, **fields})


def withdrawn(entry_id: str = "e1", blog_id: str = "storm", **fields: Any) -> Entry:
    taken = {"title": None, "body_html": "", "body_text": ""}
    return an_entry(
        entry_id, blog_id, **{**taken, "withdrawn": Withdrawal(by="api", at=NOON), **fields}
    )


def an_event(
    subject: Entry | Blog | None = None,
    *,
    after: str | None = None,
    time: datetime = NOON,
    **fields: Any,
) -> Event:
    """The event by which *subject* becomes so, after the event *after* of the same subject."""
    subject = subject or an_entry()
    kind = EventType.BLOG_UPDATED
    if isinstance(subject, Entry):
        kind = EventType.ENTRY_UPDATED if after else EventType.ENTRY_CREATED
        kind = EventType.ENTRY_DELETED if subject.withdrawn else kind
    defaults: dict[str, Any] = {"id": event_id(subject, after), "type": kind}
    return Event(**{**defaults, "time": time, "subject": subject, **fields})


def base_records(partitions: int = 4, base: int = BASE) -> list[StoredRecord]:
    return [
        StoredRecord(
            topic=ENTRIES, partition=p, offset=0, written_at=NOON, key=base_key(base), value=b"{}"
        )
        for p in range(partitions)
    ]


def stored(
    records: Iterable[Record | Event],
    *,
    partitions: int = 4,
    start: int = 1,
    written_at: datetime = NOON,
) -> list[StoredRecord]:
    """*records* as a log of *partitions* would hold them, each partition from offset *start* on."""
    following = dict.fromkeys(range(partitions), start)
    result = []
    for index, item in enumerate(records):
        record = encode(item) if isinstance(item, Event) else item
        partition = record.partition
        if partition is None:
            partition = partition_for(record.partition_key or b"", partitions)
        result.append(
            StoredRecord(
                topic=record.topic,
                partition=partition,
                offset=following[partition],
                written_at=written_at + timedelta(seconds=index),
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
        )
        following[partition] += 1
    return result


def a_subscription(**fields: Any) -> Subscription:
    defaults: dict[str, Any] = {
        "id": "sub-1",
        "url": "https://partner.example/hook",
        "filters": (Filter(since={}, blogs=("*",)),),
        "start": {},
        "secrets": ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
        "token_hash": "",
        "created": NOON,
        "changed": NOON,
    }
    return Subscription(**{**defaults, **fields})
