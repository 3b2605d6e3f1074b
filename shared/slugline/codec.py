"""Blogs and entries as JSON objects, as they stand in the log: empty fields left out.

Within a format version fields are only added. Readers ignore what they do not know.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, cast

from slugline.blog import Blog, BlogId, BlogState
from slugline.clock import parse_rfc3339, rfc3339
from slugline.entry import Confidence, Entry, EntryId, Media, MediaKind, Related, Withdrawal

Json = dict[str, Any]


def to_json(record: Blog | Entry | Media | Related | Withdrawal) -> Json:
    """*record* as a JSON object without its empty fields."""
    pairs = ((f.name, _plain(getattr(record, f.name))) for f in fields(record))
    return {name: value for name, value in pairs if value not in (None, "", [], False)}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Media | Related | Withdrawal):
        return to_json(value)
    return value


def entry_from_json(value: Mapping[str, Any]) -> Entry:
    """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
    withdrawn = value.get("withdrawn")
    return Entry(
        blog_id=BlogId(value["blog_id"]),
        id=EntryId(value["id"]),
        published=parse_rfc3339(value["published"]),
        updated=parse_rfc3339(value["updated"]),
        title=value.get("title"),
        body_html=value.get("body_html", ""),
        body_text=value.get("body_text", ""),
        summary=value.get("summary", ""),
        authors=tuple(value.get("authors", ())),
        link=value.get("link"),
        media=tuple(_media(m) for m in value.get("media", ())),
        related=tuple(_related(r) for r in value.get("related", ())),
        tags=tuple(value.get("tags", ())),
        key_event=value.get("key_event", False),
        pinned=value.get("pinned", False),
        revision=value.get("revision", 1),
        confidence=Confidence(value.get("confidence", "high")),
        inferred=tuple(value.get("inferred", ())),
        withdrawn=_withdrawal(withdrawn) if withdrawn else None,
    )


def blog_from_json(value: Mapping[str, Any]) -> Blog:
    """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
    return Blog(
        id=BlogId(value["id"]),
        authority=value["authority"],
        title=value.get("title", ""),
        description=value.get("description", ""),
        lead=value.get("lead", ""),
        language=value.get("language", ""),
        timezone=value.get("timezone", "UTC"),
        link=value.get("link"),
        state=BlogState(value.get("state", "live")),
        moved_to=value.get("moved_to"),
        coverage_start=_instant(value.get("coverage_start")),
        coverage_end=_instant(value.get("coverage_end")),
    )


def _instant(text: str | None) -> datetime | None:
    return parse_rfc3339(text) if text else None


def _media(value: Mapping[str, Any]) -> Media:
    known = _known(Media, value)
    return Media(**{**known, "kind": MediaKind(value.get("kind", "image"))})


def _related(value: Mapping[str, Any]) -> Related:
    return Related(**{"title": "", **_known(Related, value)})


def _withdrawal(value: Mapping[str, Any]) -> Withdrawal:
    return Withdrawal(
        by=value["by"],
        at=parse_rfc3339(value["at"]),
        headings=tuple(value.get("headings", ())),
        simhash=value.get("simhash"),
    )


def whole(value: object) -> int:
    """*value*, where it is a whole number that a database holds. Raises ValueError."""
    if type(value) is not int or not -(2**63) <= value < 2**63:  # true and false are ints too
        raise ValueError(f"{str(value)[:50]!r} is no whole number")
    return value


def _known(record: type, value: Mapping[str, Any]) -> Json:
    names = {f.name for f in fields(cast(Any, record))}
    return {name: item for name, item in value.items() if name in names}
