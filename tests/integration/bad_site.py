"""A web server that a newsroom's page might be on, and that misbehaves when told to."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

#: Long ago, so that validators count.
MODIFIED = "Sat, 06 Jun 2026 10:00:00 GMT"

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Site:
    """What is served at each path, and what was asked."""

    url: str = ""
    requests: list[web.BaseRequest] = field(default_factory=list)
    pages: dict[str, Respond] = field(default_factory=dict)

    def serve(self, path: str, respond: Respond) -> str:
        """Serve *path* from now on; its address."""
        self.pages[path] = respond
        return self.url + path

    def page(self, path: str, body: bytes | str, status: int = 200, **headers: str) -> str:
        """Serve *body* at *path*, with an ETag of its own; its address."""
        data = body if isinstance(body, bytes) else body.encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Content-Type": "text/html; charset=utf-8", "ETag": f'"{hash(data)}"', **named}

        async def respond(request: web.Request) -> web.StreamResponse:
            if request.headers.get("If-None-Match") == named["ETag"] and status == 200:
                return web.Response(status=304, headers={"ETag": named["ETag"]})
            return web.Response(status=status, body=data, headers=named)

        return self.serve(path, respond)

    def redirect(self, path: str, to: str, status: int = 302) -> str:
        return self.page(path, "", status, Location=to)

    def hang(self, path: str) -> tuple[str, asyncio.Event]:
        """Never answer at *path*; its address, and an event that is set when somebody asks."""
        asked = asyncio.Event()

        async def respond(_: web.Request) -> web.StreamResponse:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        return self.serve(path, respond), asked

    def endless(self, path: str, chunk: bytes = b"x" * 65_536, **headers: str) -> str:
        """Send *chunk* for ever at *path*."""

        async def respond(request: web.Request) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = web.StreamResponse(headers={"Content-Type": "text/html", **named})
            await answer.prepare(request)
            while True:
                await answer.write(chunk)

        return self.serve(path, respond)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        respond = self.pages.get(request.path)
        return await respond(request) if respond else web.Response(status=404)  # type: ignore[arg-type]

    def asked(self, path: str) -> list[web.BaseRequest]:
        """The requests for *path* so far."""
        return [request for request in self.requests if request.path == path]


@asynccontextmanager
async def a_site(address: str = "127.0.0.1") -> AsyncIterator[Site]:
    """A site on a port of this machine."""
    site = Site()
    runner = web.ServerRunner(web.Server(site.handle, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, address, 0)
        await listener.start()
        site.url = f"http://{address}:{runner.addresses[0][1]}"
        yield site
    finally:
        await runner.cleanup()


def zipped(size: int) -> bytes:
    """A gzip bomb of *size* bytes when it is unpacked."""
    return gzip.compress(bytes(size))
