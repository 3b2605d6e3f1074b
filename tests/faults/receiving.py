"""Receivers in a process of their own, for a long run: what else its judge does must not delay them.

Each request is written down with the moment at which its first byte was read, and told to the judge.
"""

import asyncio
import multiprocessing
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from random import Random
from typing import Any, NamedTuple, cast

import uvloop

from slugline.clock import SystemClock
from slugline_syndicate.deliveries.exchange import Request
from tests.faults.receivers import a_temper, now
from tests.simulation.receivers import Arrival, Reply, Temper, fine

_HEAD = re.compile(rb"POST (\S+) .*?\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *(\S+)", re.IGNORECASE)
#: How often it is looked whether the process is late, in seconds.
WATCH = 0.05


class Wanted(NamedTuple):
    """A receiver that is asked for: its temper, by number, dice and how long it is ill. None: fine."""

    path: str
    number: int | None
    seed: int
    seconds: float


class Came(NamedTuple):
    """A request came. Its *body* is told with the first of the same bytes."""

    number: int
    path: str
    webhook_id: str
    body: bytes
    at: float


class Answered(NamedTuple):
    """The request of that number was answered."""

    number: int
    status: int


# --- in the process of the receivers --------------------------------------------------------------


class _Receivers:
    """All of them."""

    def __init__(self, tell: "SimpleQueue[Any]") -> None:
        self.clock = SystemClock()
        self.tell = tell
        self.tempers: dict[str, Temper] = {}
        self.count = 0
        self.late = 0.0

    def obey(self, command: Any) -> None:
        if isinstance(command, Wanted):
            rng = Random(command.seed)
            ill = command.number is not None
            self.tempers[command.path] = (
                a_temper(command.number or 0, rng, self.clock, command.seconds) if ill else fine()
            )
            self.tell.put(command)
        elif command == "calm":
            for path in self.tempers:
                self.tempers[path] = fine()
        else:
            self.tell.put(self.late)  # what came before it was told before it

    async def watch(self) -> None:
        while True:
            before = self.clock.monotonic()
            await self.clock.sleep(WATCH)
            self.late = max(self.late, self.clock.monotonic() - before - WATCH)


class _Connection(asyncio.Protocol):
    """One connection of a sender: one request after the other."""

    def __init__(self, receivers: _Receivers) -> None:
        self._receivers = receivers
        self._data = b""
        self._at = 0.0
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering:
            self._answering.cancel()  # whoever hangs up gets no answer: it was not taken

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._at = now(self._receivers.clock)
        self._data += data
        end = self._data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self._data, 0, end) if end > 3 else None
        if length and len(self._data) >= end + int(length[1]):
            head, body = self._data[:end], self._data[end:]
            self._data = b""
            self._answering = asyncio.get_running_loop().create_task(self._answer(head, body))

    async def _answer(self, head: bytes, body: bytes) -> None:
        receivers = self._receivers
        asked, name = _HEAD.match(head), _ID.search(head)
        assert asked
        assert name
        path = asked[1].decode()
        receivers.count += 1
        number = receivers.count
        receivers.tell.put(Came(number, path, name[1].decode(), body, self._at))
        said = await receivers.tempers[path](Request(path, (), body))
        if said is not None:
            status = said.status if isinstance(said, Reply) else said
            receivers.tell.put(Answered(number, status))
            self._transport.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)


async def _serve(pipe: Connection) -> None:
    tell: SimpleQueue[Any] = SimpleQueue()
    receivers = _Receivers(tell)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(receivers), "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    for work in (_telling, _obeying):
        threading.Thread(target=work, args=(pipe, receivers, loop), daemon=True).start()
    await receivers.watch()


def _telling(pipe: Connection, receivers: _Receivers, _: asyncio.AbstractEventLoop) -> None:
    while True:
        told = [receivers.tell.get()]
        while not receivers.tell.empty():
            told.append(receivers.tell.get())
        pipe.send(told)


def _obeying(pipe: Connection, receivers: _Receivers, loop: asyncio.AbstractEventLoop) -> None:
    with suppress(EOFError):
        while True:
            loop.call_soon_threadsafe(receivers.obey, pipe.recv())


def _run(pipe: Connection) -> None:
    uvloop.run(_serve(pipe))


# --- in the judge's -------------------------------------------------------------------------------


class Receiving:
    """The receivers, as their judge sees them."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        port = pipe.recv()
        self._base = f"http://127.0.0.1:{port}"
        self._count = 0
        self._bodies: dict[bytes, bytes] = {}
        self._replies: SimpleQueue[Any] = SimpleQueue()
        self.arrivals: list[Arrival] = []
        #: How many were answered 200.
        self.taken = 0
        threading.Thread(target=self._listen, daemon=True).start()

    async def add(self, number: int | None, seed: int = 0, seconds: float = 0.0) -> str:
        """A receiver of the temper of that *number*, ill for so many *seconds*; its URL."""
        self._count += 1
        path = f"/{self._count}"
        self._pipe.send(Wanted(path, number, seed, seconds))
        await asyncio.to_thread(self._replies.get)
        return self._base + path

    def calm_down(self) -> None:
        """All answer 200 from now on."""
        self._pipe.send("calm")

    async def complete(self) -> float:
        """Wait until all that came is told; by how many seconds the receivers were late at the most."""
        self._pipe.send("late")
        late: float = await asyncio.to_thread(self._replies.get)
        return late

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                for told in self._pipe.recv():
                    self._take(told)

    def _take(self, told: Any) -> None:
        if isinstance(told, Came):
            body = self._bodies.setdefault(told.body, told.body)
            url = self._base + told.path
            assert told.number == len(self.arrivals) + 1
            self.arrivals.append(Arrival(url, told.webhook_id, body, told.at, sent=told.at))
        elif isinstance(told, Answered):
            self.arrivals[told.number - 1].status = told.status
            self.taken += told.status == 200
        else:
            self._replies.put(told)


@contextmanager
def receiving() -> Iterator[Receiving]:
    """Receivers that serve while the context is open."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Receiving(ours)
    finally:
        process.terminate()
        process.join()
        ours.close()
