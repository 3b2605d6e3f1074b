"""Syndicate as it runs: an embedded log, a view, deliveries and the interface on a port; and a partner."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from slugline.blog import BlogId
from slugline.clock import SystemClock
from slugline.entry import EntryId
from slugline.errors import LogUnavailableError
from slugline.log import Offset, Record, TopicPartition
from slugline.log.sqlite import SqliteLog, open_log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.server import serving
from slugline_ingest.plan import Plan
from slugline_ingest.writer import BlogWriter
from slugline_syndicate.app import open_syndicate
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.sealing import new_key
from tests.builders import a_blog, an_entry

ADMIN = "the-admin-token"
KEY = new_key()
PUBLIC = "https://live.example"
LOOPBACK = (ip_network("127.0.0.0/8"),)
#: How long a test waits for something that must happen, in seconds.
PATIENCE = 20.0


class SwitchedLog:
    """A real log that can be put out of reach."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def _reach(self) -> None:
        if self.away:
            raise LogUnavailableError("switched off")

    async def publish(self, records: Iterable[Record]) -> tuple[Offset, ...]:
        self._reach()
        return tuple(await self._log.publish(tuple(records)))

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        self._reach()
        return dict(await self._log.ends(tuple(topics)))


@dataclass
class Answer:
    """What the interface answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> dict[str, str]:
        """The header that says which state was seen."""
        return {"If-Match": self.headers["ETag"]}


@dataclass
class Service:
    """A running syndicate, with a writer beside it that publishes as ingest does."""

    base: str
    log: SwitchedLog
    entries: EntriesView
    views: DeliveryViews
    tail: Tail
    writer: BlogWriter
    session: aiohttp.ClientSession
    app: web.Application

    async def call(self, method: str, path: str, *, token: str = ADMIN, **more: Any) -> Answer:
        """One request; *more* goes to aiohttp."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        url = f"{self.base}{path}"
        async with self.session.request(method, url, headers=headers, **more) as response:
            data = await response.read()
            kind = response.content_type
            body = orjson.loads(data) if kind.endswith("json") and data else data
            return Answer(response.status, response.headers, body)

    async def subscribe(self, url: str, *blogs: str, **more: Any) -> dict[str, Any]:
        """A new subscription, as the 201 tells it."""
        wanted = {"url": url, "blogs": blogs or ["*"], **more}
        answer = await self.call("POST", "/v1/subscriptions", json=wanted)
        assert answer.status == 201, answer
        body: dict[str, Any] = answer.body
        return body

    async def put(self, entry_id: str, blog_id: str = "storm", **fields: Any) -> None:
        """Publish an entry (and first its blog)."""
        entry = an_entry(entry_id, blog_id, **fields)
        await self.write(blog_id, lambda plan: plan.put_entry(entry))

    async def withdraw(self, entry_id: str, blog_id: str = "storm") -> None:
        """Take an entry back."""
        await self.write(
            blog_id, lambda plan: plan.withdraw(plan.state.entries[EntryId(entry_id)], "api")
        )

    async def write(self, blog_id: str, planner: Callable[[Plan], None]) -> None:
        """Publish what *planner* plans, after the blog itself."""

        def plan_both(plan: Plan) -> None:
            plan.put_blog(a_blog(blog_id))
            planner(plan)

        await self.writer.write(BlogId(blog_id), plan_both)

    async def pages(self, path: str, enough: Callable[[list[Any]], object]) -> list[Any]:
        """The items at *path*, asked again until there are *enough*."""
        async with asyncio.timeout(PATIENCE):
            while True:
                items: list[Any] = (await self.call("GET", path)).body["items"]
                if enough(items):
                    return items
                await asyncio.sleep(0.02)

    async def state(self, name: str, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The subscription, asked again until it is as *wanted*."""
        async with asyncio.timeout(PATIENCE):
            while True:
                body: dict[str, Any] = (await self.call("GET", f"/v1/subscriptions/{name}")).body
                if wanted(body):
                    return body
                await asyncio.sleep(0.02)


@asynccontextmanager
async def syndicate(folder: Path, **settings: Any) -> AsyncIterator[Service]:
    """Syndicate on the log in *folder*, which outlives it."""
    clock, metrics = SystemClock(), Metrics()
    fields = {"admin_token": ADMIN, "secret_key": KEY, "public_url": PUBLIC, **settings}
    given = Settings(data_dir=folder, **{"egress_allow": LOOPBACK, **fields})
    async with open_log(folder / "log.db", clock) as real:
        await provision(real, clock)
        log = SwitchedLog(real)
        entries, views = EntriesView(), DeliveryViews.make()
        view = View(folder / "view.db", [entries, *views.all], clock)
        tail = Tail(log, view, clock)
        try:
            async with (
                open_syndicate(
                    given,
                    log,
                    view,
                    entries,
                    views,
                    tail,
                    clock,
                    metrics,
                ) as built,
                _working(tail.run(), built.deliveries.run()),
                serving(built.app, "127.0.0.1", 0) as port,
                aiohttp.ClientSession() as session,
            ):
                writer = BlogWriter(log, entries, tail, clock, metrics)
                base = f"http://127.0.0.1:{port}"
                await tail.reached(await log.ends(view.topics))
                yield Service(base, log, entries, views, tail, writer, session, built.app)
        finally:
            view.close()


def drop_view(folder: Path) -> None:
    """Lose the view's file, as when a disk is lost."""
    for file in folder.glob("view.db*"):
        file.unlink()


@asynccontextmanager
async def _working(*workers: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


# --- a partner ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """One request as a partner got it."""

    headers: dict[str, str]
    raw: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def entry(self) -> str:
        """The entry that it is about; empty where it is about a blog."""
        return str(self.body["data"].get("entry", {}).get("id", ""))


#: Decides what a partner answers; None: nothing at all, ever.
Temper = Callable[[Received], int | None]


@dataclass
class Partner:
    """A receiver on loopback; it writes down what reaches it before it answers."""

    url: str
    temper: Temper
    received: list[Received] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(headers, await request.read())
        self.received.append(received)
        self._arrived.set()
        status = self.temper(received)
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status or 204)

    async def until(self, enough: Callable[[list[Received]], bool]) -> list[Received]:
        """What was received, once it is *enough*."""
        async with asyncio.timeout(PATIENCE):
            while not enough(self.received):
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    async def entries(self, *names: str) -> list[Received]:
        """What was received, once the last of *names* is among the entries."""
        return await self.until(lambda all_: names[-1] in [r.entry for r in all_])


def takes_all(_: Received) -> int | None:
    """204 for everything."""
    return 204


@asynccontextmanager
async def partner(temper: Temper = takes_all) -> AsyncIterator[Partner]:
    """A partner that answers as *temper* says."""
    made = Partner("", temper)
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/hook", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()
