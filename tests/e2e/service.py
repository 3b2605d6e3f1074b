"""`slugline` as a process of its own, and a partner who takes its webhooks."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

import aiohttp
import orjson
from aiohttp import web

SEEDS = Path(__file__).parents[2] / "seeds"

#: Nothing is timed; this only keeps a fault from hanging the suite, in seconds.
PATIENCE = 60.0

STARTED = "Stop it with Ctrl-C."


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUGLINE_")}
    return {**kept, "SLUGLINE_EGRESS_ALLOW": "127.0.0.0/8", **more}


async def slugline(*arguments: str, **more: str) -> tuple[int, str, str]:
    """Run the command to its end: its exit code, and what it said on standard output and error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "slugline_cli", *arguments),
        env=environment(**more),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@dataclass
class Service:
    """`slugline run`, `ingest` or `syndicate` on a data folder (None: the demo's own).

    Its ports stay the same over restarts; *more* is set in its environment.
    """

    data: Path | None
    command: str = "run"
    more: dict[str, str] = field(default_factory=dict)
    ingest_port: int = field(default_factory=free_port)
    syndicate_port: int = field(default_factory=free_port)

    @property
    def ingest(self) -> str:
        return f"http://127.0.0.1:{self.ingest_port}"

    @property
    def syndicate(self) -> str:
        return f"http://127.0.0.1:{self.syndicate_port}"

    @property
    def token(self) -> str:
        if "SLUGLINE_ADMIN_TOKEN" in self.more:
            return self.more["SLUGLINE_ADMIN_TOKEN"]
        assert self.data is not None
        return (self.data / "admin-token").read_text().strip()

    @property
    def arguments(self) -> list[str]:
        ports = {"ingest": self.ingest_port, "syndicate": self.syndicate_port}
        chosen = [f"--{n}-port={p}" for n, p in ports.items() if self.command in (n, "run")]
        return [self.command, *([f"--data={self.data}"] if self.data else ["--demo"]), *chosen]

    async def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "slugline_cli", *self.arguments),
            env=environment(**self.more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await self.until(STARTED)
        self.said: list[dict[str, Any]] = []
        self._told = asyncio.Condition()
        self._log = asyncio.create_task(self._read_log())

    async def until(self, text: str) -> None:
        """Read its standard output until a line holds *text*."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                if text in line:
                    return
        assert self.process.stderr is not None
        raise AssertionError((await self.process.stderr.read()).decode())

    async def until_logged(self, event: str) -> None:
        """Wait until its log holds *event*."""
        async with asyncio.timeout(PATIENCE), self._told:
            await self._told.wait_for(lambda: any(line["event"] == event for line in self.said))

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._told:
                self.said.append(_as_logged(line))
                self._told.notify_all()

    def send(self, number: Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._log
        return code

    async def stop(self, number: Signals = Signals.SIGTERM) -> int:
        self.send(number)
        return await self.ended()


def _as_logged(line: bytes) -> dict[str, Any]:
    """A line of the log; what is no JSON shows itself, where a test looks at all of it."""
    try:
        said: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"event": "not JSON", "text": line.decode()}
    return said


@asynccontextmanager
async def running(
    data: Path, command: str = "run", more: dict[str, str] | None = None
) -> AsyncIterator[Service]:
    """A service that runs while the context is open, and however it ends."""
    service = Service(data, command, more or {})
    await service.start()
    try:
        yield service
    finally:
        if service.process.returncode is None:
            await service.stop(Signals.SIGKILL)


class Client:
    """Requests to services as their admin: writes to *service*, the rest to *syndicate*."""

    def __init__(
        self, service: Service, session: aiohttp.ClientSession, syndicate: Service | None
    ) -> None:
        self.service = service
        self.syndicate = (syndicate or service).syndicate
        self.session = session

    async def ask(self, method: str, url: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.service.token}", **more.pop("headers", {})}
        async with self.session.request(method, url, headers=headers, **more) as answer:
            body = await answer.read()
            assert answer.status < 300, body.decode()
            return orjson.loads(body) if body else None

    async def post_text(self, blog: str, text: str) -> Any:
        url = f"{self.service.ingest}/v1/blogs/{blog}/documents"
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return await self.ask("POST", url, data=text.encode(), headers=headers)

    async def post_entry(self, blog: str, **entry: Any) -> Any:
        return await self.ask("POST", f"{self.service.ingest}/v1/blogs/{blog}/entries", json=entry)

    async def subscribe(self, url: str, *blogs: str, start: str = "earliest") -> Any:
        wanted = {"url": url, "blogs": list(blogs), "start": start}
        return await self.ask("POST", f"{self.syndicate}/v1/subscriptions", json=wanted)

    async def text(self, path: str) -> str:
        async with self.session.get(f"{self.syndicate}{path}") as answer:
            assert answer.status == 200
            return await answer.text()


@asynccontextmanager
async def client(service: Service, syndicate: Service | None = None) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(service, session, syndicate)


@dataclass(frozen=True)
class Arrival:
    """A webhook as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)


class Partner:
    """A receiver on loopback. *answer* decides the status of each request; None: it hangs."""

    def __init__(self, answer: Callable[[Arrival], int | None]) -> None:
        self.arrivals: list[Arrival] = []
        self._answer = answer
        self._came = asyncio.Condition()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        arrival = Arrival(headers, await request.read())
        async with self._came:
            self.arrivals.append(arrival)
            self._came.notify_all()
        status = self._answer(arrival)
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status or 500)

    async def until(self, enough: Callable[[list[Arrival]], bool]) -> None:
        """Wait until what has arrived is *enough*."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: enough(self.arrivals))


@asynccontextmanager
async def partner(
    answer: Callable[[Arrival], int | None] = lambda _: 204,
) -> AsyncIterator[Partner]:
    taker = Partner(answer)
    app = web.Application()
    app.router.add_post("/hook", taker.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield taker
    finally:
        await runner.cleanup()
