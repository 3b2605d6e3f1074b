"""Bytes straight to a port, and what comes back: for requests that no client library would send."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

#: Nothing is timed; this only keeps a fault from hanging the suite, in seconds.
PATIENCE = 30.0


@dataclass(frozen=True)
class Port:
    """Where a service listens, a path of it that takes JSON, and the token that it asks for."""

    number: int
    token: str
    method: str
    path: str

    def head(self, *headers: str, token: bool = True, target: str = "") -> bytes:
        """The head of a request that carries JSON, without its length; *headers* are added."""
        lines = [f"{self.method} {target or self.path} HTTP/1.1", "Host: x"]
        if token:
            lines.append(f"Authorization: Bearer {self.token}")
        return "\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode()

    def request(self, body: bytes, *headers: str) -> bytes:
        """A whole one, after which the connection is to be closed."""
        length = f"Content-Length: {len(body)}"
        return self.head(length, "Connection: close", *headers) + body


@dataclass
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        """The status of the next answer; 0 where the connection ends without one."""
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self.reader.readline()
        except ConnectionError:
            return 0
        return int(line.split()[1]) if line else 0

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        found = b""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    found += data
        return found

    async def closed(self) -> None:
        """Wait until the other side has closed."""
        await self.rest()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A connection to *port*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


async def said(port: int, data: bytes) -> bytes:
    """All that *port* says to *data* until it closes."""
    async with wire(port) as connection:
        with suppress(ConnectionError):
            await connection.send(data)
        return await connection.rest()


def statuses(answers: bytes) -> list[int]:
    """The statuses of *answers*, as far as they can be told apart by their first lines."""
    return [int(part[:3]) for part in re.split(rb"HTTP/1\.[01] (?=\d{3} )", answers)[1:]]


async def answers_others(port: int) -> bool:
    """Whether somebody who behaves is answered now."""
    return statuses(
        await said(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    ) == [200]
