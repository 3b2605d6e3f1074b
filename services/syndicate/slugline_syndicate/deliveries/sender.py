"""The sender: one attempt over the network, to the address that the egress guard approved.

No redirects, no cookies, no proxies, no decompression. What an endpoint does never raises: it is
an `Answer`.
"""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from slugline.clock import Clock
from slugline.egress import Destination, EgressGuard, Resolver, approved
from slugline.errors import EgressRefusedError
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.http1 import (
    Connection,
    Limits,
    ProtocolFaultError,
    Reply,
    StaleConnectionError,
)

#: The longest that an endpoint may ask us to wait.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: Connections kept idle over all endpoints.
IDLE_CONNECTIONS = 1_000

_OUR_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_Origin = tuple[str, str, int]


class Sender:
    """`Exchange` over real sockets. Made by `open_sender`."""

    def __init__(
        self,
        guard: EgressGuard,
        resolver: Resolver,
        clock: Clock,
        tls: ssl.SSLContext,
        limits: Limits,
        agent: str,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._clock = clock
        self._tls = tls
        self._limits = limits
        self._agent = agent
        self._idle: dict[_Origin, list[tuple[Connection, asyncio.TimerHandle]]] = {}
        self._count = 0

    async def post(self, request: Request) -> Answer:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._limits.total):
                reply = await self._post(request)
        except TimeoutError as error:
            why = str(error) or f"no answer within {self._limits.total:g} s"
            return self._failed(f"timeout: {why}", started)
        except EgressRefusedError as error:
            return self._failed(f"refused: {error}", started)
        except ssl.SSLError as error:
            return self._failed(f"tls: {_tls_reason(error)}", started)
        except ProtocolFaultError as error:
            return self._failed(f"protocol: {error}", started)
        except OSError as error:
            return self._failed(
                f"connect: {_reason(error)}", started, our=error.errno in _OUR_ERRORS
            )
        retry_after = parse_retry_after(reply.retry_after, self._clock.now())
        return Answer(status=reply.status, retry_after=retry_after, duration=self._since(started))

    async def _post(self, request: Request) -> Reply:
        wanted = self._destination(request.url)
        head = _head(wanted, request, self._agent)
        connection = self._kept(wanted)
        if connection is not None:
            try:
                return await self._exchange(connection, wanted, head, request.body)
            except StaleConnectionError:
                pass  # nobody read it: once more on a fresh connection, inside the same attempt
        return await self._exchange(await self._connect(wanted), wanted, head, request.body)

    def _destination(self, url: str) -> Destination:
        return _checked(self._guard, url)

    async def _exchange(
        self, connection: Connection, wanted: Destination, head: bytes, body: bytes
    ) -> Reply:
        try:
            reply = await connection.exchange(head, body)
        except BaseException:
            connection.close()
            raise
        if reply.whole:
            self._keep(wanted, connection)
        return reply

    # --- connections --------------------------------------------------------------------------------

    async def _connect(self, wanted: Destination) -> Connection:
        try:
            async with asyncio.timeout(self._limits.connect):
                addresses = await self._addresses(wanted)
                return await self._dial(wanted, addresses)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {self._limits.connect:g} s") from error

    async def _addresses(self, wanted: Destination) -> list[str]:
        try:
            good, refused = await approved(self._guard, self._resolver, wanted)
        except (OSError, UnicodeError) as error:
            raise OSError(f"{wanted.host} has no address") from error
        if not good:
            raise refused or OSError(f"{wanted.host} has no address")
        return good

    async def _dial(self, wanted: Destination, addresses: list[str]) -> Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for address in addresses:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self._limits),
                    address,
                    wanted.port,
                    ssl=self._tls if wanted.tls else None,
                    server_hostname=wanted.host if wanted.tls else None,
                )
                return connection
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        raise failure or OSError(f"{wanted.host} has no address")

    def _kept(self, wanted: Destination) -> Connection | None:
        kept = self._idle.get(_origin(wanted), [])
        while kept:
            connection, timer = kept.pop()
            self._count -= 1
            timer.cancel()
            if not connection.closed:
                return connection
        return None

    def _keep(self, wanted: Destination, connection: Connection) -> None:
        kept = self._idle.setdefault(_origin(wanted), [])
        if connection.closed or len(kept) >= self._limits.kept or self._count >= IDLE_CONNECTIONS:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.idle, self._expire, _origin(wanted), connection)
        kept.append((connection, timer))
        self._count += 1

    def _expire(self, origin: _Origin, connection: Connection) -> None:
        connection.close()
        left = [pair for pair in self._idle.get(origin, []) if pair[0] is not connection]
        self._count -= len(self._idle.get(origin, [])) - len(left)
        if left:
            self._idle[origin] = left
        else:
            self._idle.pop(origin, None)

    def close(self) -> None:
        """Close every kept connection."""
        for kept in self._idle.values():
            for connection, timer in kept:
                timer.cancel()
                connection.close()
        self._idle.clear()

    # --- answers ------------------------------------------------------------------------------------

    def _failed(self, error: str, started: float, *, our: bool = False) -> Answer:
        return Answer(error=error, duration=self._since(started), our_fault=our)

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)


@asynccontextmanager
async def open_sender(
    guard: EgressGuard,
    resolver: Resolver,
    clock: Clock,
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    agent: str = "Slugline",
) -> AsyncIterator[Sender]:
    """A sender; its connections are closed when the context is left."""
    context = tls or ssl.create_default_context()
    sender = Sender(guard, resolver, clock, context, limits or Limits(), agent)
    try:
        yield sender
    finally:
        sender.close()


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """RFC 9110 section 10.2.3: seconds or a date. Nonsense counts as absent; at most 24 h."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_RETRY_AFTER)


@lru_cache(maxsize=4096)
def _checked(guard: EgressGuard, url: str) -> Destination:
    return guard.check_url(url)


def _head(wanted: Destination, request: Request, agent: str) -> bytes:
    lines = [
        f"POST {wanted.target} HTTP/1.1",
        f"Host: {wanted.authority}",
        f"User-Agent: {agent}",
        "Content-Type: application/json",
        f"Content-Length: {len(request.body)}",
        *(f"{name}: {value}" for name, value in request.headers),
    ]
    if any("\r" in line or "\n" in line for line in lines):
        raise ProtocolFaultError("a header holds a line end")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _origin(wanted: Destination) -> _Origin:
    return wanted.scheme, wanted.host, wanted.port


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    return str(error.reason or error).lower().replace("_", " ")


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return " ".join((error.strerror or str(error) or type(error).__name__).split())
