"""A newsroom's view and the application that shows it, as tests of feeds and pages need them."""

import gzip
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import feedparser
from lxml import etree
from multidict import CIMultiDict, CIMultiDictProxy

from slugline.blog import Blog
from slugline.clock import Clock
from slugline.entry import Entry
from slugline.events import Event
from slugline.log import StoredRecord, TopicPartition
from slugline.telemetry import Metrics
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.web.server import make_application, serving
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.formats import Format
from slugline_syndicate.feeds.handlers import Ready, add_feeds, always
from slugline_syndicate.feeds.rss import Rss
from slugline_syndicate.feeds.store import FeedStore
from slugline_syndicate.pages.handlers import PageHandlers
from tests.builders import NOON, an_event, base_records, stored
from tests.fakes import ManualClock

PUBLIC = "https://live.example"
SCHEMA = Path(__file__).parent / "data" / "atom.rng"


class Newsroom:
    """A log's records, and a view that has read them."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.entries = EntriesView()
        self.view = View(folder / "view.db", [self.entries], clock or ManualClock())
        self.records: list[StoredRecord] = []
        self.feed_renders = Metrics()
        self._latest: dict[tuple[str, str], str] = {}
        self.read(base_records())

    def says(self, *subjects: Entry | Blog, at: datetime = NOON, apart: float = 0.0) -> None:
        """Publish *subjects* as they are now, the first at the time *at*, *apart* seconds apart."""
        self.read(
            stored(
                [
                    self._event(subject, at + timedelta(seconds=apart * index))
                    for index, subject in enumerate(subjects)
                ],
                start=len(self.records),
            )
        )

    def _event(self, subject: Entry | Blog, at: datetime) -> Event:
        key = (subject.blog_id, subject.id) if isinstance(subject, Entry) else (subject.id, "")
        event = an_event(subject, after=self._latest.get(key), time=at)
        self._latest[key] = event.id
        return event

    def read(self, records: Sequence[StoredRecord]) -> None:
        """Apply *records* to the view, as its tail would."""
        self.records += records
        ends = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        self.view.apply(records, ends)

    def store(self, public_url: str = PUBLIC) -> FeedStore:
        """Feeds of what the view holds."""
        return FeedStore(self.entries, FORMATS, public_url, self.feed_renders)

    def feed(self, name: str, blog_id: str = "storm") -> bytes:
        """The bytes of a feed, rendered afresh."""
        return feed_of(self.store(), name, blog_id)

    def close(self) -> None:
        self.view.close()


FORMATS: tuple[Format, ...] = (Atom(), Rss())


def feed_of(store: FeedStore, name: str, blog_id: str = "storm") -> bytes:
    """The bytes of a feed as *store* has it now."""
    document = store.document(blog_id, name)
    assert document is not None
    return document.representation.body


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came, and its body without the content coding."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def body(self) -> bytes:
        coded = self.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(self.raw) if coded and self.raw else self.raw


@dataclass(frozen=True)
class Site:
    """The application on a port."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for *path*; header names are written with underscores."""
        return await self.ask_with(
            path, {name.replace("_", "-"): value for name, value in headers.items()}, method
        )

    async def ask_with(
        self, path: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], method: str = "GET"
    ) -> Answer:
        """The same for headers that occur twice."""
        async with self.session.request(
            method, self.url + path, headers=CIMultiDict(headers), allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())


@asynccontextmanager
async def open_site(
    newsroom: Newsroom, public_url: str = PUBLIC, ready: Ready = always
) -> AsyncIterator[Site]:
    """The application over *newsroom*, served for real."""
    app = make_application()
    add_feeds(app, newsroom.store(public_url), FORMATS, public_url, newsroom.feed_renders, ready)
    PageHandlers(newsroom.entries, public_url, ready).add_to(app)
    session = aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=["Accept-Encoding", "User-Agent"]
    )
    async with serving(app, "127.0.0.1", 0) as port, session:
        yield Site(f"http://127.0.0.1:{port}", session)


def atom_mistakes(document: bytes) -> list[str]:
    """What the grammar of RFC 4287 says against *document*."""
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    schema.validate(etree.fromstring(document))
    return [str(entry) for entry in schema.error_log]


def parsed(document: bytes) -> Any:
    """*document* as feedparser reads it, which must find nothing wrong with it."""
    found = feedparser.parse(document, resolve_relative_uris=False, sanitize_html=False)
    assert not found.bozo, found.get("bozo_exception")
    return found
