"""One HTTP/1.1 connection to an endpoint, on asyncio's Protocol; answers parsed by httptools."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one exchange: seconds, and bytes of an answer."""

    connect: float = 5.0
    total: float = 15.0
    body: int = 16 * 1024
    head: int = 32 * 1024
    idle: float = 30.0
    #: Connections kept per endpoint.
    kept: int = 4


@dataclass(slots=True)
class Reply:
    """An answer as it came over the wire. *whole* says that the connection can be used again."""

    status: int
    retry_after: str | None
    whole: bool


class StaleConnectionError(ConnectionError):
    """A kept connection was closed before any byte of the answer: nobody read the request."""


class ProtocolFaultError(Exception):
    """What came is no HTTP answer, or is over a limit."""


class Connection(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = False
        self.used = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._head = 0
        self._body = 0
        self._received = False
        self._in_body = False
        self._retry_after: str | None = None

    # --- the exchange -------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes) -> Reply:
        """Send a request, wait for its answer.

        Raises StaleConnectionError, ConnectionError, ProtocolFaultError; time limits are the caller's.
        """
        self._reset()
        again, self.used = self.used, True
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            self._send(head + body)
            reply = await self._waiting
        except ConnectionError as error:
            if again and not self._received:
                raise StaleConnectionError(str(error)) from error
            raise
        finally:
            self._waiting = None
        if not reply.whole:
            self.close()
        return reply

    def _send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        self._transport.write(data)

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
        # An answer without a length ends where the connection does (RFC 9112 section 6.3).
        if self._in_body and exc is None:
            self._finish(whole=False)
        else:
            self._fail(
                ConnectionResetError(str(exc) if exc else "closed before the answer was whole")
            )

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.close()  # an endpoint that speaks unasked
            return
        self._received = True
        if not self._in_body:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break("answered with an upgrade")
        except httptools.HttpParserError as error:
            self._break(f"not an HTTP answer ({str(error) or type(error).__name__})")
        if self._head > self._limits.head and not self._in_body:
            self._break(f"more than {self._limits.head} bytes of headers")

    # --- httptools ----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._in_body = self._status >= 200

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > self._limits.body:
            self._finish(whole=False)  # its status counts; the rest of it does not

    def on_message_complete(self) -> None:
        if self._status >= 200:
            self._finish(whole=self._parser.should_keep_alive())
        else:  # 100, 103: the answer itself is still to come, and the same parser reads on
            self._retry_after = None

    # --- ends ---------------------------------------------------------------------------------------

    def _finish(self, *, whole: bool) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(Reply(self._status, self._retry_after, whole))
        if not whole:
            self.close()

    def _break(self, why: str) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ProtocolFaultError(why))
        self.close()

    def _fail(self, error: ConnectionError) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)
