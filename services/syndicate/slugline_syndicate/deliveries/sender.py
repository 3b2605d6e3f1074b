"""The sender: one attempt over the network, to the address that the egress guard approved.

No redirects, no cookies, no proxies, no decompression. What an endpoint does never raises: it is
an `Answer`.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from slugline.clock import Clock
from slugline.egress import Destination, EgressGuard, Resolver, approved
from slugline.errors import EgressRefusedError
from slugline_syndicate.deliveries.deadlines import Deadlines
from slugline_syndicate.deliveries.dialling import first_open
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.http1 import (
    Connection,
    Limits,
    LostConnectionError,
    ProtocolFaultError,
    Reply,
    StaleConnectionError,
)
from slugline_syndicate.deliveries.pool import Pool

#: The longest that an endpoint may ask us to wait.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: URLs whose parts are kept at hand.
PREPARED = 16_384

#: What fails because this machine has run out of something.
_OUR_ERRORS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        socket.EAI_MEMORY,
        socket.EAI_SYSTEM,
    }
)


class _UnsendableError(Exception):
    """A request that would not be one on the wire: a fault of ours."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is the same in every request to one URL."""

    wanted: Destination
    head: bytes


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
        self._pool = Pool(limits)
        #: Kept connections that wait for an answer.
        self._under_way: Deadlines[Connection] = Deadlines(limits.total, Connection.time_out)
        self._prepared = lru_cache(PREPARED)(self._prepare)

    async def post(self, request: Request) -> Answer:
        started = self._clock.monotonic()
        try:
            reply = await self._post(request, started)
        except (OSError, EgressRefusedError, _UnsendableError, *_FAULTS) as error:
            why, ours = self._reason(error)
            return Answer(error=why, duration=self._since(started), our_fault=ours)
        asked = reply.retry_after
        later = parse_retry_after(asked, self._clock.now()) if asked else None
        return Answer(reply.status, None, later, self._since(started))

    async def _post(self, request: Request, started: float) -> Reply:
        prepared = self._prepared(request.url)
        data = _whole(prepared.head, request)
        kept = self._pool.take(request.url)
        if kept is not None:
            self._under_way.begin(kept)
            try:
                reply = await kept.exchange(data)
            except StaleConnectionError:
                pass  # nobody answers there: once more on a fresh connection, in the same attempt
            else:
                self._pool.keep(kept)
                return reply
            finally:
                self._under_way.end(kept)
        async with asyncio.timeout(self._limits.total - (self._clock.monotonic() - started)):
            connection = await self._connect(request.url, prepared.wanted)
            reply = await connection.exchange(data)
        self._pool.keep(connection)
        return reply

    def _prepare(self, url: str) -> _Prepared:
        wanted = self._guard.check_url(url)
        lines = (
            f"POST {wanted.target} HTTP/1.1",
            f"Host: {wanted.authority}",
            f"User-Agent: {self._agent}",
            "Content-Type: application/json",
        )
        return _Prepared(wanted, "".join(f"{line}\r\n" for line in lines).encode("ascii"))

    # --- connecting ---------------------------------------------------------------------------------

    async def _connect(self, url: str, wanted: Destination) -> Connection:
        try:
            async with asyncio.timeout(self._limits.connect):
                addresses = await self._addresses(wanted)
                return await first_open(lambda at: self._dial(url, wanted, at), addresses)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {self._limits.connect:g} s") from error

    async def _addresses(self, wanted: Destination) -> list[str]:
        try:
            good, refused = await approved(self._guard, self._resolver, wanted)
        except UnicodeError as error:
            raise OSError(f"{wanted.host} has no address") from error
        if not good:
            raise refused or OSError(f"{wanted.host} has no address")
        return good

    async def _dial(self, url: str, wanted: Destination, address: str) -> Connection:
        """Connect to *address*, which was approved; the name is for the certificate."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(url, self._limits),
            address,
            wanted.port,
            ssl=self._tls if wanted.tls else None,
            server_hostname=wanted.host if wanted.tls else None,
        )
        return connection

    def close(self) -> None:
        """Close every kept connection."""
        self._under_way.close()
        self._pool.close()

    # --- answers ------------------------------------------------------------------------------------

    def _reason(self, error: Exception) -> tuple[str, bool]:
        """What went wrong in one line, and whether it is our own fault."""
        match error:
            case TimeoutError():
                why = str(error) or f"no answer within {self._limits.total:g} s"
                return f"timeout: {why}", False
            case EgressRefusedError():
                return f"refused: {error}", False
            case ssl.SSLError():
                return f"tls: {_tls_reason(error)}", False
            case ProtocolFaultError():
                return f"protocol: {error}", False
            case LostConnectionError():
                return f"lost: the connection was {error} before the answer", False
            case OSError():
                return f"connect: {_os_reason(error)}", error.errno in _OUR_ERRORS
        return f"unsendable: {error}", True

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)


_FAULTS = (LostConnectionError, ProtocolFaultError)


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
        left = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser's, for what is no date
        return None
    return min(max(left, timedelta(0)), LONGEST_RETRY_AFTER)


def _whole(head: bytes, request: Request) -> bytes:
    """The request as it goes on the wire. Raises _UnsendableError."""
    _, headers, body = request
    values = "".join([value for _, value in headers])
    if not (values.isascii() and values.isprintable()):  # a line end would begin another header
        raise _UnsendableError("a header holds a character that no header may hold")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return b"%bContent-Length: %d\r\n\r\n%b" % (head + lines.encode("ascii"), len(body), body)


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    return str(error.reason or error).lower().replace("_", " ")


def _os_reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError) and not error.errno:  # while TLS shook hands
        return "closed before the connection was ready"
    return " ".join((error.strerror or str(error) or type(error).__name__).split())
