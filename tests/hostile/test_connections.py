"""Connections that are held on to: each ends after a bounded time, and others are answered meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from slugline.web.bodies import read_bytes
from slugline.web.bounds import Bounds
from slugline.web.server import make_application, serving
from tests.hostile.raw import PATIENCE, Wire, said, statuses, wire

#: So long that a test which waits for it fails by its own patience.
NEVER = 3_600.0
PATIENT = Bounds(idle=NEVER, body=NEVER, answer=NEVER, lingering=NEVER)
#: More than all buffers on the way hold.
LARGE = bytes(30_000_000)


@dataclass
class Server:
    """A server of ours with two pages; *answering* are the connections that `/large` was asked on."""

    port: int = 0
    answering: list[asyncio.BaseTransport] = field(default_factory=list)

    async def echo(self, request: web.Request) -> web.Response:
        return web.Response(body=await read_bytes(request))

    async def large(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.answering.append(request.transport)
        return web.Response(body=LARGE)


@asynccontextmanager
async def a_server(bounds: Bounds) -> AsyncIterator[Server]:
    server = Server()
    app = make_application(bounds)
    app.router.add_post("/echo", server.echo)
    app.router.add_get("/large", server.large)
    async with serving(app, "127.0.0.1", 0) as server.port:
        yield server


async def echoed(port: int) -> bool:
    """Whether somebody who behaves is answered now."""
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    return (await said(port, request)).endswith(b"\r\n\r\nhi")


async def dripping(connection: Wire, data: bytes) -> None:
    """Send *data* a byte at a time, as long as the other side lets us."""
    for n in range(len(data)):
        await connection.send(data[n : n + 1])
        await asyncio.sleep(0.01)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    "head",
    [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000],
    ids=["nothing", "a-byte-at-a-time"],
)
async def test_a_head_that_does_not_come_in_time_ends_the_connection(head: bytes) -> None:
    bounds = Bounds(idle=0.3, body=NEVER, answer=NEVER, lingering=NEVER)
    async with a_server(bounds) as server, wire(server.port) as connection:
        drip = asyncio.create_task(dripping(connection, head))
        assert await connection.rest() == b""
        drip.cancel()


async def test_a_connection_that_is_idle_after_an_answer_ends() -> None:
    bounds = Bounds(idle=0.3, body=NEVER, answer=NEVER, lingering=NEVER)
    async with a_server(bounds) as server, wire(server.port) as connection:
        await connection.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        assert statuses(await connection.rest()) == [200]


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("body", [b"", b"1\r\na\r\n" * 50_000], ids=["nothing", "a-byte-at-a-time"])
async def test_a_body_that_does_not_come_in_time_is_a_408_and_ends_the_connection(
    body: bytes, framing: str
) -> None:
    bounds = Bounds(idle=NEVER, body=0.3, answer=NEVER, lingering=0.1)
    async with a_server(bounds) as server, wire(server.port) as connection:
        await connection.send(f"POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        drip = asyncio.create_task(dripping(connection, body))
        assert await echoed(server.port)
        assert statuses(await connection.rest()) == [408]
        drip.cancel()


async def test_a_body_that_nobody_wants_is_not_waited_for() -> None:
    bounds = Bounds(idle=NEVER, body=NEVER, answer=NEVER, lingering=0.3)
    async with a_server(bounds) as server, wire(server.port) as connection:
        await connection.send(b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        drip = asyncio.create_task(dripping(connection, bytes(100_000)))
        assert statuses(await connection.rest()) == [404]
        drip.cancel()


@pytest.mark.parametrize("taking", [False, True], ids=["nothing", "a-byte-at-a-time"])
async def test_an_answer_that_is_not_taken_in_time_is_dropped(taking: bool) -> None:
    bounds = Bounds(idle=NEVER, body=NEVER, answer=0.3, lingering=NEVER)
    async with a_server(bounds) as server:
        takers = [asyncio.create_task(not_taking(server.port, taking)) for _ in range(20)]
        await until(lambda: len(server.answering) == 20)
        assert await echoed(server.port)
        await until(lambda: all(transport.is_closing() for transport in server.answering))
        for taker in takers:
            taker.cancel()
        await asyncio.gather(*takers, return_exceptions=True)


async def not_taking(port: int, taking: bool) -> None:
    """Ask for the large page, and then read nothing, or next to nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        while True:
            if taking:
                await loop.sock_recv(sock, 1)
            await asyncio.sleep(0.01)


async def test_who_waits_for_an_answer_without_taking_it_gets_no_second_one_made() -> None:
    async with a_server(PATIENT) as server, wire(server.port) as connection:
        connection.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await connection.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
        for _ in range(20):
            assert await echoed(server.port)
        assert len(server.answering) == 1


async def test_an_answer_that_is_taken_slowly_and_in_time_is_whole() -> None:
    bounds = Bounds(idle=NEVER, body=NEVER, answer=1_000, lingering=NEVER)
    async with a_server(bounds) as server, wire(server.port) as connection:
        await connection.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await until(lambda: bool(server.answering))
        await asyncio.sleep(0.05)
        assert (await connection.rest()).endswith(LARGE)


async def test_beyond_as_many_connections_as_there_may_be_a_503_says_so_until_one_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bounds = Bounds(idle=NEVER, body=NEVER, answer=NEVER, lingering=NEVER, connections=3)
    async with a_server(bounds) as server, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(wire(server.port)) for _ in range(3)]
        for connection in held:
            await connection.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
            assert await connection.status() == 200
        for _ in range(10):
            assert statuses(await said(server.port, b"")) == [503]
        held[0].writer.close()
        async with asyncio.timeout(PATIENCE):
            while not await echoed(server.port):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert capsys.readouterr().out.count("connections.full") == 1
