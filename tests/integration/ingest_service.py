"""Ingest as it runs: its real interface over HTTP, on an embedded log in a folder of the test."""

import asyncio
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from slugline.blog import BlogId
from slugline.entry import Entry
from slugline.errors import LogUnavailableError
from slugline.events import Event
from slugline.log import Offset, Record, TopicPartition
from slugline.log.sqlite import SqliteLog, open_log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView, EntryRow
from slugline.view.tail import Tail
from slugline.web.server import serving
from slugline_ingest.app import Ingest, make_ingest
from slugline_ingest.sources.projection import SourcesView
from tests.fakes import ManualClock

SEEDS = Path(__file__).parents[2] / "seeds"

TOKEN = "a-token-that-is-long-enough-for-tests"

Json = Any


class CuttableLog:
    """A log that can be cut off, as when its broker is away; else the one that it wraps."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def _reach(self) -> None:
        if self.away:
            raise LogUnavailableError("the log is away")

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        self._reach()
        return await self._log.ends(topics)

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        self._reach()
        return await self._log.publish(records)


@dataclass(frozen=True)
class Answer:
    """What a request was answered with; *body* is read JSON, or text where it is none."""

    status: int
    headers: Mapping[str, str]
    body: Json


class IngestService:
    """A running ingest, and what a test asks of it and of the log below it."""

    def __init__(
        self,
        url: str,
        log: CuttableLog,
        entries: EntriesView,
        clock: ManualClock,
        folder: Path,
        metrics: Metrics,
        app: web.Application,
    ) -> None:
        self.url = url
        self.app = app
        self.log = log
        self.entries = entries
        self.clock = clock
        self.folder = folder
        self.metrics = metrics

    async def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request."""
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        if isinstance(data, bytes):  # aiohttp warns of large ones that are sent as they are
            data = io.BytesIO(data)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=data, headers=sent) as answer,
        ):
            text = await answer.text()
            body: Json = text
            if "json" in answer.headers.get("Content-Type", ""):
                body = json.loads(text)
            return Answer(answer.status, answer.headers, body)

    async def ask_json(self, method: str, path: str, value: Json, **more: Any) -> Answer:
        """The answer to a request that carries *value* as JSON."""
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return await self.ask(method, path, json.dumps(value).encode(), headers=headers, **more)

    async def post(self, value: Json, blog: str = "storm") -> Json:
        """What pushing entries did; fails where they were refused."""
        answer = await self.ask_json("POST", f"/v1/blogs/{blog}/entries", value)
        assert answer.status == 200, answer.body
        return answer.body

    async def dump(self, text: str, blog: str = "storm", **headers: str) -> Json:
        """What a page of flat text did; fails where it was refused."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.ask(
            "POST",
            f"/v1/blogs/{blog}/documents",
            text.encode(),
            headers={"Content-Type": "text/plain; charset=utf-8", **named},
        )
        assert answer.status == 200, answer.body
        return answer.body

    # --- what stands ----------------------------------------------------------------------------------

    def row(self, entry_id: str, blog: str = "storm") -> EntryRow:
        row = self.entries.entry(blog, entry_id)
        assert row is not None
        return row

    def titled(self, title: str, blog: str = "storm") -> Entry:
        """The one standing entry with *title*."""
        (found,) = [e for e in self.standing(blog) if e.title == title]
        return found

    def standing(self, blog: str = "storm") -> list[Entry]:
        """The entries as feeds list them, without withdrawn ones."""
        return [row.entry for row in self.entries.entries(blog) if not row.entry.withdrawn]

    def events(self, blog: str = "storm") -> list[Event]:
        """The blog's events as the log has them, oldest first."""
        refs = self.entries.events_between(BlogId(blog), 0, 2**62)
        stored = [self.entries.event_at(ref.partition, ref.offset) for ref in refs]
        return [item.event for item in stored if item and item.event]

    def kinds(self, blog: str = "storm") -> list[str]:
        """The types of the blog's events, oldest first; of those without text too."""
        return [ref.type.value for ref in self.entries.events_between(BlogId(blog), 0, 2**62)]

    # --- what goes wrong ------------------------------------------------------------------------------

    async def fill_disk(self) -> None:
        """From now on the log's file cannot grow."""
        await self._pragma(lambda db: db.execute("PRAGMA page_count").fetchone()[0] + 1)

    async def empty_disk(self) -> None:
        await self._pragma(lambda _: 2**30)

    async def _pragma(self, pages: Any) -> None:
        connection: sqlite3.Connection = self.log._connection
        await self.log._do(
            lambda: connection.execute(f"PRAGMA max_page_count={pages(connection)}").fetchone()
        )


@asynccontextmanager
async def ingest_in(
    folder: Path, clock: ManualClock | None = None, **settings: Any
) -> AsyncIterator[IngestService]:
    """Ingest on a log in *folder*, which keeps what was written there before."""
    clock = clock or ManualClock()
    entries, sources, metrics = EntriesView(), SourcesView(), Metrics()
    stated = replace(Settings(), data_dir=folder, admin_token=TOKEN, **settings)
    async with open_log(folder / "log.db", clock) as opened:
        log = CuttableLog(opened)
        await provision(log, clock)
        view = View(folder / "view.db", [entries, sources], clock)
        tail = Tail(log, view, clock)
        ingest = make_ingest(stated, log, entries, sources, tail, clock, metrics)
        async with _running(tail, ingest, view), serving(ingest.app, "127.0.0.1", 0) as port:
            url = f"http://127.0.0.1:{port}"
            yield IngestService(url, log, entries, clock, folder, metrics, ingest.app)


@asynccontextmanager
async def _running(tail: Tail, ingest: Ingest, view: View) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(tail.run()), asyncio.create_task(ingest.poller.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()


def storm_page(number: int = 1) -> str:
    """A page of the sample blog of a storm: flat text, no times, newest first."""
    return (SEEDS / "storm" / f"page-{number}.txt").read_text("utf-8")


def timed_page(*entries: tuple[str, str, str]) -> str:
    """A live page as flat text: *entries* are time of day, heading and text, newest first."""
    head = "Harbour live: latest updates as the storm comes in\nWhat we know so far\n"
    return head + "".join(f"{time}\n{heading}\n{text}\n" for time, heading, text in entries)
