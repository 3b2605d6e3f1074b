"""Connections kept open between attempts: a few per endpoint, many in all, none for long."""

from slugline_syndicate.deliveries.deadlines import Deadlines
from slugline_syndicate.deliveries.http1 import Connection, Limits

#: Connections kept idle over all endpoints.
IDLE_CONNECTIONS = 512


class Pool:
    """Idle connections by URL. The one used last is taken first; the one idle longest goes first."""

    def __init__(self, limits: Limits, most: int = IDLE_CONNECTIONS) -> None:
        self._kept = limits.kept
        self._most = most
        self._idle: dict[str, list[Connection]] = {}
        self._all: Deadlines[Connection] = Deadlines(limits.idle, self._end)

    def take(self, url: str) -> Connection | None:
        """A connection to *url* that was open a moment ago."""
        while idle := self._idle.get(url):
            connection = idle.pop()
            if not idle:
                del self._idle[url]
            self._all.end(connection)
            if not connection.closed:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """Keep *connection* for the next attempt, where it is open; close it where there are enough."""
        if connection.closed:
            return
        idle = self._idle.setdefault(connection.url, [])
        if len(idle) >= self._kept:
            self._end(next((each for each in idle if each.closed), idle[0]))
            idle = self._idle.setdefault(connection.url, [])
        idle.append(connection)
        self._all.begin(connection)
        if len(self._all) > self._most:
            self._end(next(iter(self._all)))

    def close(self) -> None:
        """Close all of them."""
        self._all.close()
        for connection in list(self._all):
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        self._drop(connection)
        connection.close()

    def _drop(self, connection: Connection) -> None:
        self._all.end(connection)
        idle = self._idle[connection.url]
        idle.remove(connection)
        if not idle:
            del self._idle[connection.url]
