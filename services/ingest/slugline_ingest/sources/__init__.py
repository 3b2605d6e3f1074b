"""Sources: where ingest reads a blog from, again and again.

A source and the newest report of its polls are records of the sources topic, both compacted. Within
a format version fields are only added, and readers ignore what they do not know.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

import orjson

from slugline.blog import BlogId
from slugline.clock import parse_rfc3339, rfc3339
from slugline.errors import UndecodableRecordError
from slugline.log import Record
from slugline.topics import SOURCES

SourceId = NewType("SourceId", str)

SOURCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

#: The end of a report's key, after the source's own and another bar.
REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What to poll. *interval* is seconds; *kind* is the documents' media type, "" for what they say.

    *changed* is when it became what it is: reports of what it was before do not count.
    """

    blog_id: BlogId
    id: SourceId
    url: str
    interval: float
    changed: datetime
    kind: str = ""


def is_source_id(text: str) -> bool:
    """Whether *text* may name a source."""
    return SOURCE_ID.fullmatch(text) is not None


def encode_source(source: Source) -> Record:
    """*source* as a record."""
    value: dict[str, Any] = {
        "url": source.url,
        "interval": source.interval,
        "changed": rfc3339(source.changed),
    }
    if source.kind:
        value["type"] = source.kind
    return _record(source.blog_id, source.id, "", orjson.dumps(value))


def deleted_source(blog_id: BlogId, source_id: SourceId) -> list[Record]:
    """The records that remove a source and its report."""
    return [_record(blog_id, source_id, "", None), _record(blog_id, source_id, REPORT, None)]


def report_record(source: Source, value: bytes) -> Record:
    """A report's JSON as a record beside its *source*."""
    return _record(source.blog_id, source.id, REPORT, value)


def _record(blog_id: BlogId, source_id: SourceId, of: str, value: bytes | None) -> Record:
    key = f"{blog_id}|{source_id}" + (f"|{of}" if of else "")
    return Record(topic=SOURCES, key=key.encode(), value=value, partition_key=blog_id.encode())


def decode_source(blog_id: str, source_id: str, value: bytes) -> Source:
    """The source that *value* states. Raises UndecodableRecordError."""
    try:
        stated = orjson.loads(value)
        return Source(
            blog_id=BlogId(blog_id),
            id=SourceId(source_id),
            url=str(stated["url"]),
            interval=max(1.0, float(stated["interval"])),
            changed=parse_rfc3339(stated["changed"]),
            kind=str(stated.get("type", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableRecordError(f"its value cannot be read: {error!r}") from error
