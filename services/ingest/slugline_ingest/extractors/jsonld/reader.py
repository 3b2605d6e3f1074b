"""Reader: the steps from a page's outline to a snapshot, in order."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from urllib.parse import urldefrag

from slugline.entry import Confidence
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.jsonld.addresses import canonical, page_key
from slugline_ingest.extractors.jsonld.checks import Judged, judged
from slugline_ingest.extractors.jsonld.fields import (
    PARAGRAPHS,
    address_of,
    body_of,
    line_of,
    names_of,
    tags_of,
    texts_in,
)
from slugline_ingest.extractors.jsonld.graph import Node, graph_of, own_blogs, updates_of
from slugline_ingest.extractors.jsonld.outline import Outline, ids_of
from slugline_ingest.extractors.jsonld.posts import Place, posts_of
from slugline_ingest.extractors.jsonld.tolerant import Reader
from slugline_ingest.sanitise import absolute
from slugline_ingest.snapshot import Order, Snapshot, SnapshotEntry

#: A change this soon after publication is the publication.
_SAME = timedelta(seconds=2)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def read_page(outline: Outline, document: Document) -> Snapshot:
    """The snapshot that the JSON-LD in *outline* holds; no entry where the page is no live blog."""
    snapshot = _read(outline, document.location, document.timezone)
    return _with_anchors(snapshot, document.text)


# A page that is polled has mostly the scripts that it had, around it a token or a clock that is new.
@lru_cache(maxsize=4)
def _read(outline: Outline, location: str | None, zone: str) -> Snapshot:
    reader = Reader()
    graph = graph_of([reader.read(script) for script in outline.scripts])
    base = absolute(outline.base, location) or location
    page = absolute(outline.link, base) if outline.link else None
    keys = {page_key(address) for address in (page, location) if address} - {""}
    blogs = own_blogs(graph, keys)
    nodes = updates_of(blogs, graph)
    if not nodes:
        return Snapshot(title=line_of(outline.title))
    blog = max(blogs, key=len)
    link = _link(blog, base) or page or location
    title = line_of(blog.get("headline") or blog.get("name") or outline.title)
    place = Place(link=link or base, zone=zone)
    found = judged(posts_of(nodes, place), blog, title, link)
    common = set(tags_of(blog.get("keywords")))
    entries = [_entry(each, link, common) for each in found]
    return Snapshot(
        title=title,
        description=line_of(blog.get("description"), PARAGRAPHS),
        language=_language(blog, outline),
        link=link,
        entries=tuple(entries),
        order=_order(entries),
    )


def _link(blog: Node, base: str | None) -> str | None:
    name = blog.get("@id")
    stated = [blog.get("url"), blog.get("mainEntityOfPage"), name if "://" in str(name) else None]
    found = (address_of(value, base) for value in stated if value)
    return next((urldefrag(address).url for address in found if address), None)


def _language(blog: Node, outline: Outline) -> str:
    stated = next(texts_in(blog.get("inLanguage"), "alternateName", "name"), outline.language)
    tidy = stated.strip().replace("_", "-")
    return tidy if _LANGUAGE.fullmatch(tidy) else ""


def _order(entries: Sequence[SnapshotEntry]) -> Order:
    """As most neighbours stand to each other: a pinned entry on top says nothing."""
    times = [entry.published for entry in entries if entry.published]
    rising = sum((one < other) - (one > other) for one, other in pairwise(times))
    return Order.OLDEST_FIRST if rising > 0 else Order.NEWEST_FIRST


def _with_anchors(snapshot: Snapshot, page: str) -> Snapshot:
    """*snapshot* with a link into the page for each entry that has none and whose id stands there."""
    if not snapshot.link or not any(e.id and not e.link for e in snapshot.entries):
        return snapshot
    anchors = {canonical(name): f"{snapshot.link}#{name}" for name in ids_of(page)}
    entries = (
        entry if entry.link else replace(entry, link=anchors.get(entry.id or ""))
        for entry in snapshot.entries
    )
    return replace(snapshot, entries=tuple(entries))


def _entry(each: Judged, link: str | None, common: set[str]) -> SnapshotEntry:
    post = each.post
    body_html, body_text = body_of(post.body + (" …" if each.cut else ""), link)
    edited = post.modified and post.published and post.modified - post.published > _SAME
    return SnapshotEntry(
        id=each.id,
        title=post.title or None,
        body_html=body_html,
        body_text=body_text,
        authors=names_of(post.node.get("author") or post.node.get("creator")),
        link=_own_link(each, link),
        media=post.media,
        tags=tuple(tag for tag in tags_of(post.node.get("keywords")) if tag not in common),
        published=post.published,
        updated=post.modified if edited else None,
        confidence=Confidence.MEDIUM if each.cut else Confidence.HIGH,
    )


def _own_link(each: Judged, blog: str | None) -> str | None:
    """The entry's permalink; the blog's own address is none."""
    link = each.post.link
    if link is None or (blog and urldefrag(link).url == link and page_key(link) == page_key(blog)):
        return None
    return link
