"""A receiver on raw asyncio streams that does to each connection what a test tells it to."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

#: Bytes at which a request's head is cut off.
HEAD = 256 * 1024


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    line: str
    #: By lower-case name, in the order in which they came.
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """The receiver's side of one connection."""

    receiver: "Receiver"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> tuple[str, dict[str, str]]:
        """The next request up to its empty line. Raises IncompleteReadError at the end."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = text.removesuffix("\r\n\r\n").split("\r\n")
        return line, {name.lower(): value for name, value in (h.split(": ", 1) for h in rest)}

    async def request(self) -> Received:
        """The next request, which is also noted in `receiver.requests`."""
        line, headers = await self.head()
        body = await self.reader.readexactly(int(headers["content-length"]))
        received = Received(line, headers, body)
        self.receiver.requests.append(received)
        return received

    async def say(self, *pieces: bytes) -> None:
        """Send *pieces*, each by itself as far as the network keeps them apart."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the sender has closed. Raises IncompleteReadError or ConnectionError then."""
        while await self.reader.read(65536):
            pass
        raise asyncio.IncompleteReadError(b"", None)

    def half_close(self) -> None:
        """Say that no more will be sent."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Close with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Receiver:
    """What reached it. *scripts*: the first connection gets the first, all later ones the last."""

    scripts: tuple[Script, ...]
    port: int = 0
    connections: int = 0
    #: Connections that the sender was seen to close.
    left: int = 0
    requests: list[Received] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens, without TLS."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(Peer(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left += 1
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        """Drop every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def receiving(
    *scripts: Script, tls: ssl.SSLContext | None = None, buffer: int | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens on loopback. *buffer*: the size of its socket's receive buffer."""
    receiver = Receiver(scripts)
    if tls is not None:

        def note_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            receiver.names.append(name)

        tls.sni_callback = note_name
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.bind(("127.0.0.1", 0))
    receiver.port = sock.getsockname()[1]
    server = await asyncio.start_server(receiver.serve, sock=sock, ssl=tls, limit=HEAD)
    try:
        yield receiver
    finally:
        server.close()
        await receiver.end()


def answering(*pieces: bytes, times: int = 1_000) -> Script:
    """Answer each request with *pieces*; after so many *times* wait for the sender to go."""

    async def script(peer: Peer) -> None:
        for _ in range(times):
            await peer.request()
            await peer.say(*pieces)
        await peer.gone()

    return script


def answer(status: int = 200, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer with a length."""
    lines = [f"HTTP/1.1 {status} So", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
