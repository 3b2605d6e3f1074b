"""The egress guard: which destinations may be connected to, enforced where the socket is made.

A URL is checked once for what can be seen in it; the address is checked for each connection, after
the name was resolved, and exactly that address is dialled. So a name that changes its answer
between the check and the connection gains nothing. The lists follow IANA's special-purpose
address registries (RFC 6890) and the addresses of cloud hosts' own services.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from slugline.errors import EgressRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: IANA's IPv4 special-purpose registry (2026-08), all of it, also what is routed there.
_DENIED_4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # not in the registry: looks public, but is the host agent of a cloud
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",  # AS112, and below: routed, but to the nearest node that takes part
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
#: Global unicast. What carries an IPv4 address inside (mapped, compatible, NAT64) lies outside of it.
_ALLOWED_6 = IPv6Network("2000::/3")
_DENIED_6 = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo, ORCHID, benchmarking, …
        "2001:db8::/32",
        "2002::/16",  # 6to4: the IPv4 address inside may be anybody's
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
PORTS = (443, 80)

#: Names of one's own network, and those that RFC 6761, 6762, 7686, 8375 and 9476 set apart.
_SPECIAL_NAMES = frozenset(
    [
        "alt",
        "arpa",
        "corp",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
    ]
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
#: Left as it is in a path or query; `%` too, so that what is escaped already stays so.
_PLAIN = "/?:@!$&'()*+,;=%~"
#: Names that are looked up at once.
LOOKUPS = 64


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL, taken apart once. *host* is lower case, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int
    #: Path and query, as they go on the wire.
    target: str

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The Host header's value: with the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Resolver(Protocol):
    """Turns a name into addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of *host*, in order of preference. Raises OSError where it has none."""
        ...


class SystemResolver:
    """The machine's own resolver.

    Each lookup has a thread of its own, and a name is looked up once at a time: the few threads of
    an event loop would soon all wait for the same dead name servers, and everybody for them.
    """

    def __init__(self, lookup: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._under_way: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._room = asyncio.Semaphore(LOOKUPS)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        key = host, port
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look(host, port))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _look(self, host: str, port: int) -> list[str]:
        async with self._room:
            answer: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._ask, args=(host, port, answer), daemon=True).start()
            found = await answer
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))

    def _ask(self, host: str, port: int, answer: asyncio.Future[Sequence[Any]]) -> None:
        """In the thread."""
        try:
            found: Sequence[Any] | Exception = self._lookup(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            answer.get_loop().call_soon_threadsafe(_settle, answer, found)

    def _forget(self, key: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, also where everybody who asked has gone


def _settle(answer: asyncio.Future[Sequence[Any]], found: Sequence[Any] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def destination(url: str) -> Destination:
    """*url* taken apart. Raises EgressRefusedError for what no rule could make acceptable."""
    if not url.isascii():
        raise EgressRefusedError("write the address in ASCII: xn--… for the host, %… for the rest")
    if "\\" in url or " " in url or not url.isprintable():
        raise EgressRefusedError("the address holds characters that no address may hold")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().removesuffix("."), parts.port
    except ValueError as error:
        raise EgressRefusedError(f"not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise EgressRefusedError("give an address such as https://partner.example/hook")
    if "@" in parts.netloc:
        raise EgressRefusedError("an address with a user name or password in it is refused")
    if parts.fragment:
        raise EgressRefusedError("an address with a fragment is refused; leave out the # part")
    if not _is_host(host) or ("[" in parts.netloc) != (":" in host):
        raise EgressRefusedError(f"{host!r} is no host name")
    target = quote(parts.path or "/", _PLAIN) + (
        f"?{quote(parts.query, _PLAIN)}" if parts.query else ""
    )
    default = 443 if parts.scheme == "https" else 80
    return Destination(parts.scheme, host, port or default, target)


class EgressGuard:
    """Decides which destinations may be reached.

    *allow* are networks inside which every rule is waived, *own_hosts* our own names, *ports* the
    only ones outside of *allow*.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        own_hosts: frozenset[str] = frozenset(),
        ports: Sequence[int] = PORTS,
    ) -> None:
        self._allow = tuple(allow)
        self._own_hosts = own_hosts
        self._ports = tuple(ports)

    def check_url(self, url: str) -> Destination:
        """What can be judged before the name is resolved. Raises EgressRefusedError.

        With an empty allow list that is nearly all; with one, a plain name may yet resolve into it.
        """
        wanted = destination(url)
        literal = _literal(wanted.host)
        if literal is not None:
            self.check_address(wanted, str(literal))
        elif not self._allow:
            self._check_rest(wanted)
        return wanted

    def check_address(self, wanted: Destination, address: str) -> None:
        """Raise EgressRefusedError unless *address* may be dialled for *wanted*."""
        found = ip_address(address.partition("%")[0])
        if any(found in net for net in self._allow if net.version == found.version):
            return
        self._check_rest(wanted)
        if not is_public(found):
            raise EgressRefusedError(
                f"{address} is not a public address; SLUGLINE_EGRESS_ALLOW names networks that may be reached all the same"
            )

    def _check_rest(self, wanted: Destination) -> None:
        """Scheme, port and name."""
        if not wanted.tls:
            raise EgressRefusedError("only https is connected to; give an https address")
        if wanted.port not in self._ports:
            raise EgressRefusedError(f"port {wanted.port} is refused; use {self._ports[0]}")
        if wanted.host in self._own_hosts:
            raise EgressRefusedError(f"{wanted.host} is this service itself")
        if _literal(wanted.host) is None and not _is_full_name(wanted.host):
            raise EgressRefusedError(f"{wanted.host!r} is no full, public host name")


async def approved(
    guard: EgressGuard, resolver: Resolver, wanted: Destination
) -> tuple[list[str], EgressRefusedError | None]:
    """The addresses of *wanted* that may be dialled, and why another one may not. Raises OSError."""
    literal = _literal(wanted.host)
    found = [str(literal)] if literal else await resolver.resolve(wanted.host, wanted.port)
    good: list[str] = []
    refused: EgressRefusedError | None = None
    for address in found:
        try:
            guard.check_address(wanted, address)
            good.append(address)
        except EgressRefusedError as error:
            refused = error
    return good, refused


def is_public(address: Address) -> bool:
    """Whether *address* may be a partner's."""
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _DENIED_4)
    return address in _ALLOWED_6 and not any(address in net for net in _DENIED_6)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_host(host: str) -> bool:
    """Whether *host* is an address or could be a name (RFC 1123; underscores are met in the wild)."""
    if _literal(host) is not None:
        return "%" not in host  # zones are a machine's own
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _is_full_name(host: str) -> bool:
    """Whether *host* has two labels, and a last one that no number can be (so it is no odd IPv4)."""
    labels = host.split(".")
    return len(labels) > 1 and labels[-1][0].isalpha() and labels[-1] not in _SPECIAL_NAMES
