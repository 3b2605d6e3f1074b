"""Connections kept open between attempts: a few per endpoint, many in all, none for long."""

import asyncio

from slugline_syndicate.deliveries.http1 import Connection, Limits

#: Connections kept idle over all endpoints.
IDLE_CONNECTIONS = 512


class Pool:
    """Idle connections by URL. The one used last is taken first; the one idle longest goes first."""

    def __init__(self, limits: Limits, most: int = IDLE_CONNECTIONS) -> None:
        self._limits = limits
        self._most = most
        self._idle: dict[str, list[Connection]] = {}
        #: All of them, idle longest first: their URL, and since when by the loop's time.
        self._since: dict[Connection, tuple[str, float]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, url: str) -> Connection | None:
        """A connection to *url* that was open a moment ago."""
        while idle := self._idle.get(url):
            connection = idle[-1]
            self._drop(connection)
            if not connection.closed:
                return connection
        return None

    def keep(self, url: str, connection: Connection) -> None:
        """Keep *connection* for the next attempt to *url*; close it where there are enough."""
        for other in [c for c in self._idle.get(url, ()) if c.closed]:
            self._drop(other)
        idle = self._idle.setdefault(url, [])
        if len(idle) >= self._limits.kept:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        idle.append(connection)
        self._since[connection] = url, loop.time()
        if len(self._since) > self._most:
            self._end(next(iter(self._since)))
        if self._sweep is None:
            self._sweep = loop.call_later(self._limits.idle, self._expire, loop)

    def close(self) -> None:
        """Close all of them."""
        if self._sweep:
            self._sweep.cancel()
        for connection in list(self._since):
            self._end(connection)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all: end what is idle for too long, look again when the next one will be."""
        self._sweep = None
        for connection, (_, since) in list(self._since.items()):
            left = since + self._limits.idle - loop.time()
            if left > 0:
                self._sweep = loop.call_later(left, self._expire, loop)
                return
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        self._drop(connection)
        connection.close()

    def _drop(self, connection: Connection) -> None:
        url, _ = self._since.pop(connection)
        self._idle[url].remove(connection)
        if not self._idle[url]:
            del self._idle[url]
