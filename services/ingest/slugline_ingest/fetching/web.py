"""Fetching by HTTP: only addresses that the egress guard approved are dialled, on every redirect anew."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urldefrag, urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from slugline.clock import Clock
from slugline.decoding import (
    ACCEPTED,
    DamagedCodingError,
    TooLargeError,
    UnknownCodingError,
    decoder,
)
from slugline.egress import Destination, EgressGuard, Resolver, approved
from slugline.errors import EgressRefusedError
from slugline_ingest.fetching import (
    LARGEST,
    Failed,
    Fetch,
    Fetched,
    NotModified,
    Trouble,
    Validators,
)
from slugline_ingest.fetching.answers import failure_of, is_redirect, validators_of

#: Seconds for one fetch with all its redirects, and for each connection.
TOTAL, CONNECT = 20.0, 5.0
REDIRECTS = 5
#: How much is read from a connection at once, in bytes.
CHUNK = 65_536

_ACCEPT = "text/html, application/xhtml+xml, application/ld+json;q=0.9, text/plain;q=0.8, */*;q=0.1"


class WebFetcher:
    """Fetches over http(s).

    *agent* says who we are to those who run the sites; *total* is how long a fetch may take, in seconds.
    """

    def __init__(
        self,
        guard: EgressGuard,
        resolver: Resolver,
        clock: Clock,
        agent: str,
        total: float = TOTAL,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._clock = clock
        self._agent = agent
        self._total = total

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        try:
            async with asyncio.timeout(self._total):
                return await self._follow(url, known)
        except TimeoutError:
            return Failed(trouble=Trouble.TIMED_OUT, reason="no whole answer in time")
        except EgressRefusedError as error:
            return Failed(trouble=Trouble.REFUSED, reason=str(error))
        except TooLargeError:
            reason = f"over {LARGEST:,} bytes, more than a document may have"
            return Failed(trouble=Trouble.TOO_LARGE, reason=reason)
        except (UnknownCodingError, DamagedCodingError) as error:
            return Failed(trouble=Trouble.BAD_ANSWER, reason=str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failed(trouble=Trouble.UNREACHABLE, reason=_why(error))

    async def _follow(self, url: str, known: Validators | None) -> Fetch:
        address = urldefrag(url).url
        for _ in range(REDIRECTS + 1):
            found = await self._ask(address, known)
            if not isinstance(found, str):
                return found
            address = found
        reason = f"redirected more than {REDIRECTS} times, last to {address[:200]}"
        return Failed(trouble=Trouble.BAD_ANSWER, reason=reason)

    async def _ask(self, address: str, known: Validators | None) -> Fetch | str:
        """One request: the document, or the address that it is redirected to."""
        wanted = self._guard.check_url(address)
        connector = await self._connector(wanted)
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.get(
                address, headers=self._headers(address, known), allow_redirects=False
            ) as answer,
        ):
            if is_redirect(answer):
                return urldefrag(urljoin(address, answer.headers["Location"])).url
            if answer.status == 304 and known and known.address == address:
                return NotModified()
            if answer.status != 200:
                return failure_of(answer, self._clock.now())
            return await _read(answer, address)

    async def _connector(self, wanted: Destination) -> aiohttp.TCPConnector:
        """One that dials the approved addresses of *wanted*, and nothing else whatever it is told."""
        try:
            good, refused = await approved(self._guard, self._resolver, wanted)
        except (OSError, UnicodeError) as error:
            raise OSError(f"{wanted.host} has no address; check the name") from error
        if not good:
            raise refused or OSError(f"{wanted.host} has no address; check the name")

        def open_socket(info: Any) -> socket.socket:
            family, kind, protocol, _, place = info
            self._guard.check_address(wanted, str(place[0]))
            return socket.socket(family, kind, protocol)

        return aiohttp.TCPConnector(
            resolver=_Approved(good), socket_factory=open_socket, force_close=True
        )

    def _headers(self, address: str, known: Validators | None) -> dict[str, str]:
        headers = {"User-Agent": self._agent, "Accept": _ACCEPT, "Accept-Encoding": ACCEPTED}
        if known and known.address == address:
            if known.etag:
                headers["If-None-Match"] = known.etag
            if known.last_modified:
                headers["If-Modified-Since"] = known.last_modified
        return headers


class _Approved(AbstractResolver):
    """Answers with the addresses that were approved, whatever the name is."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _read(answer: aiohttp.ClientResponse, address: str) -> Fetch:
    if (answer.content_length or 0) > LARGEST:
        raise TooLargeError
    decode = decoder(answer.headers.get("Content-Encoding", ""), LARGEST)
    parts = [decode.add(chunk) async for chunk in answer.content.iter_chunked(CHUNK)]
    data = b"".join([*parts, decode.end()])
    if not data.strip():
        # Some sites answer so where a parameter is missing: it is a fault, not "no entries".
        return Failed(trouble=Trouble.BAD_ANSWER, reason="an empty answer", status=answer.status)
    stated = "Content-Type" in answer.headers
    return Fetched(
        data=data,
        kind=answer.content_type if stated else "",
        charset=(answer.charset or "") if stated else "",
        location=address,
        validators=validators_of(answer, address),
    )


def _why(error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    return said or type(error).__name__
