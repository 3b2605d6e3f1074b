"""A network between a replica and the broker: a TCP proxy that can be cut, and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.kafka.broker import Door

CHUNK = 65_536


class Way:
    """What goes through one door. As in a network that is cut, nothing is refused: it just stays away,
    and what was under way arrives once the network is mended."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._there, self._back = asyncio.Event(), asyncio.Event()
        #: Set whenever something is held back on its way there, and on its way back.
        self.holds_question, self.holds_answer = asyncio.Event(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.mend()

    @property
    def address(self) -> str:
        """Where the broker is, for whoever goes through this door."""
        return f"127.0.0.1:{self._door.outside}"

    def cut(self) -> None:
        """Let nothing through any more."""
        self._there.clear()
        self._back.clear()

    def hold_questions(self) -> None:
        """Let nothing reach the broker."""
        self.holds_question.clear()
        self._there.clear()

    def hold_answers(self) -> None:
        """Let everything reach the broker, and none of its answers come back."""
        self.holds_answer.clear()
        self._back.clear()

    def mend(self) -> None:
        """Let everything through, also what waited."""
        self._there.set()
        self._back.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(
                "127.0.0.1", self._door.inside
            )
            ways = {writer, inner_writer}
            self._writers |= ways
            pumps = [
                asyncio.ensure_future(
                    self._pump(reader, inner_writer, self._there, self.holds_question)
                ),
                asyncio.ensure_future(
                    self._pump(inner_reader, writer, self._back, self.holds_answer)
                ),
            ]
            try:
                await asyncio.wait(pumps)
            finally:
                for pump in pumps:
                    pump.cancel()
                self._writers -= ways
                inner_writer.close()
        writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        through: asyncio.Event,
        held: asyncio.Event,
    ) -> None:
        with suppress(OSError):
            while True:
                data = await reader.read(CHUNK)
                if not through.is_set():
                    held.set()
                    await through.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    def close(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def way_through(door: Door) -> AsyncIterator[Way]:
    """The way through *door*, open while the context is."""
    way = Way(door)
    server = await asyncio.start_server(way.carry, "127.0.0.1", door.outside)
    try:
        yield way
    finally:
        way.mend()
        way.close()
        server.close()
        await server.wait_closed()
