"""A network between a replica and the broker: a TCP proxy that can be cut, and mended.

It reads Kafka's frames on their way to the broker (a length, then the number of the request), so that
it can also stop just the publishing to one topic, or just the acknowledgements of that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from slugline.log.kafka import PREFIX
from tests.e2e.service import PATIENCE
from tests.kafka.broker import Door

CHUNK = 65_536
#: Kafka's number of a request to publish.
PRODUCE = b"\0\0"


class Held(Enum):
    """What of a publish does not get through."""

    REQUEST = auto()
    ACKNOWLEDGEMENT = auto()


class Way:
    """What goes through one door. As in a network that is cut, nothing is refused: it just stays away,
    and what was under way arrives once the network is mended."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open = asyncio.Event()
        self._mended = asyncio.Event()
        self._held: Held | None = None
        self._topic = b""
        self._holding = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.mend()

    @property
    def address(self) -> str:
        """Where the broker is, for whoever goes through this door."""
        return f"127.0.0.1:{self._door.outside}"

    def cut(self) -> None:
        """Let nothing through any more."""
        self._open.clear()
        self._mended.clear()

    def hold(self, what: Held, topic: str) -> None:
        """Hold back *what* of every publish to *topic* from now on."""
        self._held, self._topic = what, b"." + topic.removeprefix(PREFIX).encode()
        self._holding.clear()
        self._mended.clear()

    async def holding(self) -> None:
        """Wait until a publish is held; of an acknowledgement, until the broker has given it."""
        async with asyncio.timeout(PATIENCE):
            await self._holding.wait()

    def mend(self) -> None:
        """Let everything through, also what waited."""
        self._held = None
        self._open.set()
        self._mended.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError):
            inside = await asyncio.open_connection("127.0.0.1", self._door.inside)
            await _Connection(self, (reader, writer), inside).run()
        writer.close()

    async def let_through(self) -> None:
        """Return once the network is whole enough to pass anything."""
        await self._open.wait()

    async def until_mended(self) -> None:
        """Say that something is held, and return once it may pass."""
        self._holding.set()
        await self._mended.wait()

    def holds(self, what: Held, frame: bytes) -> bool:
        """Whether *what* of the request in *frame* is held."""
        return what is self._held and frame[:2] == PRODUCE and self._topic in frame

    def note(self, writer: asyncio.StreamWriter) -> None:
        """Remember a connection, to be ended with the way."""
        self._writers.add(writer)

    def close(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.transport.abort()


class _Connection:
    """One connection of a client, and ours to the broker for it."""

    def __init__(
        self,
        way: Way,
        outside: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inside: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._way = way
        self._client, self._to_client = outside
        self._broker, self._to_broker = inside
        #: Whether the broker was sent a publish whose acknowledgement is held.
        self._unacknowledged = False

    async def run(self) -> None:
        self._way.note(self._to_client)
        self._way.note(self._to_broker)
        pumps = [
            asyncio.ensure_future(self._ask()),
            asyncio.ensure_future(self._answer()),
        ]
        try:
            # A connection that either side has ended is of no use to the other.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await self._way.let_through()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._to_broker.close()

    async def _ask(self) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length = await self._client.readexactly(4)
                frame = await self._client.readexactly(int.from_bytes(length))
                await self._way.let_through()
                if self._way.holds(Held.REQUEST, frame):
                    await self._way.until_mended()
                self._unacknowledged = self._way.holds(Held.ACKNOWLEDGEMENT, frame)
                self._to_broker.write(length + frame)
                await self._to_broker.drain()

    async def _answer(self) -> None:
        with suppress(OSError):
            while data := await self._broker.read(CHUNK):
                await self._way.let_through()
                if self._unacknowledged:
                    await self._way.until_mended()
                self._to_client.write(data)
                await self._to_client.drain()


@asynccontextmanager
async def way_through(door: Door) -> AsyncIterator[Way]:
    """The way through *door*, open while the context is."""
    way = Way(door)
    server = await asyncio.start_server(way.carry, "127.0.0.1", door.outside)
    try:
        yield way
    finally:
        way.mend()
        server.close()
        way.close()
        await server.wait_closed()
