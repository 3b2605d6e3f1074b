"""A snapshot as `slugline parse` shows it."""

from typing import Any

from slugline.clock import rfc3339
from slugline.entry import EntryId, Media
from slugline_ingest.merge import new_ids
from slugline_ingest.snapshot import Order, Snapshot, SnapshotEntry


def parsed(snapshot: Snapshot) -> dict[str, Any]:
    """The JSON of *snapshot*, its entries in the order of the document with the ids of a first write."""
    newest_first = snapshot.order is Order.NEWEST_FIRST
    ids = new_ids(snapshot.entries if newest_first else snapshot.entries[::-1])
    ids = ids if newest_first else ids[::-1]
    return {
        "blog": {
            "title": snapshot.title,
            "description": snapshot.description,
            "lead": snapshot.lead,
        },
        "entries": [_entry(e, name) for e, name in zip(snapshot.entries, ids, strict=True)],
    }


def _entry(entry: SnapshotEntry, name: EntryId) -> dict[str, Any]:
    return {
        "id": name,
        "title": entry.title,
        "authors": list(entry.authors),
        "body_text": entry.body_text,
        "body_html": entry.body_html,
        "summary": entry.summary,
        "related": [
            {"title": r.title, "summary": r.summary, "link": r.link} for r in entry.related
        ],
        "media": [_media(m) for m in entry.media],
        "published": rfc3339(entry.published) if entry.published else None,
        "inferred": list(entry.inferred),
        "confidence": entry.confidence.value,
    }


def _media(media: Media) -> dict[str, Any]:
    return {
        "url": media.url,
        "kind": media.kind.value,
        "width": media.width,
        "height": media.height,
        "alt": media.alt,
        "caption": media.caption,
        "credit": media.credit,
    }
