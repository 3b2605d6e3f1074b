"""The egress guard: which destinations may be connected to, enforced where the socket is made.

A URL is checked once for what can be seen in it; the address is checked for each connection, after
the name was resolved, and exactly that address is dialled. So a name that changes its answer
between the check and the connection gains nothing. The lists follow IANA's special-purpose
address registries (RFC 6890) and the addresses of cloud hosts' own services.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol
from urllib.parse import urlsplit

from slugline.errors import EgressRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, but is the host agent of a cloud
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_ALLOWED_6 = IPv6Network("2000::/3")
_DENIED_6 = tuple(
    IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_PORTS = (443, 80)


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
    """The machine's own resolver."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def destination(url: str) -> Destination:
    """*url* taken apart. Raises EgressRefusedError for what no rule could make acceptable."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefusedError(f"not an address: {error}") from error
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        raise EgressRefusedError("the address holds characters that no address may hold")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EgressRefusedError("give an address such as https://partner.example/hook")
    if parts.username is not None or parts.password is not None:
        raise EgressRefusedError("an address with a user name or password in it is refused")
    if parts.fragment or "%" in parts.hostname:
        raise EgressRefusedError("an address with a fragment or an encoded host is refused")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if parts.scheme == "https" else 80
    return Destination(parts.scheme, parts.hostname.lower(), port or default, target)


class EgressGuard:
    """Decides; *allow* are networks inside which every rule is waived, *own_hosts* our own names."""

    def __init__(
        self, allow: Sequence[Network] = (), own_hosts: frozenset[str] = frozenset()
    ) -> None:
        self._allow = tuple(allow)
        self._own_hosts = own_hosts

    def check_url(self, url: str) -> Destination:
        """What can be judged before the name is resolved. Raises EgressRefusedError.

        With an empty allow list that is nearly all; with one, a plain name may yet resolve into it.
        """
        wanted = destination(url)
        literal = _literal(wanted.host)
        if literal is not None:
            self.check_address(wanted, str(literal))
        elif not self._allow:
            self._check_name(wanted)
        return wanted

    def check_address(self, wanted: Destination, address: str) -> None:
        """Raise EgressRefusedError unless *address* may be dialled for *wanted*."""
        found = ip_address(address.partition("%")[0])
        if any(found in net for net in self._allow if net.version == found.version):
            return
        self._check_name(wanted)
        if not is_public(found):
            raise EgressRefusedError(
                f"{address} is not a public address; SLUGLINE_EGRESS_ALLOW names networks that may be reached all the same"
            )

    def _check_name(self, wanted: Destination) -> None:
        if not wanted.tls:
            raise EgressRefusedError("only https is delivered to; give an https address")
        if wanted.port not in _PORTS:
            raise EgressRefusedError(f"port {wanted.port} is refused; use 443")
        if wanted.host in self._own_hosts:
            raise EgressRefusedError(f"{wanted.host} is this service itself")
        if _literal(wanted.host) is None and not _is_full_name(wanted.host):
            raise EgressRefusedError(f"{wanted.host!r} is no full host name")


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
    """Whether *address* may be a partner's, also as what it carries inside (RFC 4291, 6052, 3056)."""
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _DENIED_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if any(address in net for net in _NAT64) or address.sixtofour is not None:
        return False
    return address in _ALLOWED_6 and not any(address in net for net in _DENIED_6)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_full_name(host: str) -> bool:
    """Whether *host* has two labels, and a last one that no number can be (so it is no odd IPv4)."""
    labels = host.rstrip(".").split(".")
    last = labels[-1]
    special = {"localhost", "local", "internal", "localdomain", "home", "lan"}
    return len(labels) > 1 and all(labels) and last[:1].isalpha() and last not in special
