"""One HTTP/1.1 connection to an endpoint, on asyncio's Protocol; answers parsed by httptools."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import NamedTuple, cast

import httptools


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one exchange: seconds, and bytes of an answer. Idle connections end after *idle*."""

    connect: float = 5.0
    total: float = 15.0
    body: int = 16 * 1024
    head: int = 32 * 1024
    idle: float = 30.0
    #: Connections kept per endpoint.
    kept: int = 4


class Reply(NamedTuple):
    """What counts of an answer."""

    status: int
    retry_after: str | None


class LostConnectionError(Exception):
    """The connection ended before the head of the answer was whole."""


class StaleConnectionError(Exception):
    """A kept connection ended before any byte of the answer: its endpoint had given it up."""


class ProtocolFaultError(Exception):
    """What came is no HTTP answer, or is over a limit."""


class Connection(asyncio.Protocol):
    """One connection for *url*; one exchange at a time. `closed`: it cannot be used again.

    A request is written whole: it is a few kB that we hold anyway, so that a receiver which does
    not read costs no more memory than the body, until the time limit.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self.url = url
        self.closed = False
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._used = False
        self._loop = asyncio.get_running_loop()
        # One for all answers: only a connection whose last answer was whole is used again.
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._status = 0
        self._size = 0
        self._body = 0
        self._in_body = False
        self._retry_after: str | None = None

    # --- the exchange -------------------------------------------------------------------------------

    async def exchange(self, request: bytes) -> Reply:
        """Send *request*, wait for its answer. However this ends but well, the connection is closed.

        Raises StaleConnectionError, LostConnectionError, SSLError, ProtocolFaultError; time limits
        are the caller's.
        """
        again, self._used = self._used, True
        if self._transport is None or self._transport.is_closing():
            self.close()
            raise StaleConnectionError if again else LostConnectionError("closed")
        self._reset()
        self._reply = self._loop.create_future()
        try:
            self._transport.write(request)
            return await self._reply
        except BaseException as error:
            self.close()
            lost = isinstance(error, (LostConnectionError, ssl.SSLError))
            if again and lost and not self._size:
                raise StaleConnectionError from error
            raise
        finally:
            self._reply = None

    def time_out(self) -> None:
        """The exchange under way has had its time: it raises TimeoutError."""
        self._fail(TimeoutError())

    def close(self) -> None:
        """Close at once; what was not sent is dropped."""
        self.closed = True
        if self._transport:
            self._transport.abort()

    # --- asyncio.Protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        # An answer without a length ends where the connection does (RFC 9112 section 6.3). One that
        # was cut short has said its status all the same.
        if self._in_body:
            self._finish(keep=False)
        elif isinstance(exc, ssl.SSLError):
            self._fail(exc)
        else:
            self._fail(LostConnectionError("reset" if exc else "closed"))

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # an endpoint that speaks unasked
            return
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._fail(ProtocolFaultError(f"not an HTTP answer ({error or type(error).__name__})"))

    def _feed(self, data: bytes) -> None:
        """Give *data* to the parser, but not more than the limits of head and whole answer."""
        if not self._in_body:
            room = self._limits.head - self._size
            self._size += len(data)
            self._parser.feed_data(data[:room])
            if len(data) <= room:
                return
            if self._in_body:
                self._parser.feed_data(data[room:])
            else:
                self._fail(ProtocolFaultError(f"more than {self._limits.head} bytes of headers"))
            return
        self._size += len(data)
        if self._size > self._limits.head + self._limits.body:  # framing and trailers count too
            self._finish(keep=False)
        else:
            self._parser.feed_data(data)

    # --- httptools ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # bytes after the answer: what they belong to, nobody can say

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 100 or self._status == 101:
            self._fail(ProtocolFaultError(f"answered {self._status}"))
        self._in_body = self._status >= 200

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > self._limits.body:
            self._finish(keep=False)  # its status counts; the rest of it does not

    def on_message_complete(self) -> None:
        if self._in_body:
            self._finish(keep=self._parser.should_keep_alive() and self._all_sent())
        else:  # 100, 103: the answer itself is still to come, and the same parser reads on
            self._retry_after = None

    def _all_sent(self) -> bool:
        """Whether the request is out; an endpoint may answer before it has read it."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    # --- ends ---------------------------------------------------------------------------------------

    def _finish(self, *, keep: bool) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_result(Reply(self._status, self._retry_after))
        if not keep:
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_exception(error)
        self.close()
