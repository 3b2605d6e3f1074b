"""Connections to a server: how many there may be, and how long a client may leave an answer lying."""

import asyncio
import logging
import resource
from typing import cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from slugline.web.bounds import Bounds

#: How often it is looked whether answers are taken, within the time that they have.
LOOKS = 4
#: The least number of seconds between two lines that say that there is no room.
QUIET = 60.0

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

logger = structlog.get_logger()


def room(bounds: Bounds, ports: int = 1) -> int:
    """How many connections one of *ports* may have: all of them leave a quarter of the files that the
    process may open to what it needs itself, the log, the view and the connections to partners."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return bounds.connections
    return min(bounds.connections, files * 3 // 4 // ports)


class Connections:
    """Makes a connection's protocol for an event loop, and watches those that there are.

    aiohttp waits for ever for a client to take an answer, and takes any number of clients: when no
    file can be opened any more, everything else stops too.
    """

    def __init__(self, server: web.Server, bounds: Bounds, most: int) -> None:
        self._server = server
        self._most = most
        self._told = float("-inf")
        self._untaken: dict[web.RequestHandler, int] = {}
        self._loop = asyncio.get_running_loop()
        self._interval = bounds.answer / LOOKS
        self._timer = self._loop.call_later(self._interval, self._look)

    def __call__(self) -> asyncio.Protocol:
        if len(self._server.connections) < self._most:
            return self._server()
        if self._loop.time() - self._told > QUIET:
            self._told = self._loop.time()
            logger.warning("connections.full", most=self._most)
        return _Refused()

    def close(self) -> None:
        """Watch no more."""
        self._timer.cancel()

    def _look(self) -> None:
        """End connections with bytes of an answer that were there at each of the last looks."""
        self._timer = self._loop.call_later(self._interval, self._look)
        untaken: dict[web.RequestHandler, int] = {}
        for connection in self._server.connections:
            transport = connection.transport
            if transport is None or not transport.get_write_buffer_size():
                continue
            looks = self._untaken.get(connection, 0) + 1
            if looks > LOOKS:
                transport.abort()
            else:
                untaken[connection] = looks
        self._untaken = untaken


class _Refused(asyncio.Protocol):
    """Says that there is no room, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast("asyncio.Transport", transport)
        opened.write(_FULL)
        opened.close()


def request_log() -> logging.Logger:
    """Where aiohttp tells of faults: of its own and ours, not of requests that are no HTTP.

    Anybody can send as many of those as they like, and each would be a traceback.
    """
    log = logging.getLogger("slugline.web")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)
