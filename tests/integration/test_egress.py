"""No disguise of a local address leads to a connection: judged by the sockets that listen there."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, Resolver, SystemResolver, approved
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.http1 import Limits
from slugline_syndicate.deliveries.sender import open_sender
from tests.fakes import NamedHosts

#: No TLS is spoken, so that a guard which lets a connection pass is seen at once.
LIMITS = Limits(connect=1, total=1)
HOSTS = [
    *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001"),
    *("2130706433", "017700000001", "0", "0.0.0.0", "localhost", "localhost.", "LOCALHOST"),
    *(
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
    ),
    *("[::1%25lo]", "[::1%lo]", "[fe80::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "%31%32%37.0.0.1"),
    *(
        "user@127.0.0.1",
        "partner.example@127.0.0.1",
        "partner.example\\@127.0.0.1",
        "a@b@127.0.0.1",
    ),
]
RESOLVED = ["127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::1%lo"]


class Listeners:
    """Sockets on both loopback addresses, at one port, that count who comes."""

    port = 0
    connections = 0

    async def serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listeners]:
    found = Listeners()
    servers = [await asyncio.start_server(found.serve, "127.0.0.1", 0)]
    found.port = servers[0].sockets[0].getsockname()[1]
    if socket.has_dualstack_ipv6():
        servers.append(await asyncio.start_server(found.serve, "::1", found.port))
    try:
        yield found
    finally:
        for server in servers:
            server.close()


async def post(guard: EgressGuard, url: str, resolver: Resolver | None = None) -> Answer:
    resolver = resolver or SystemResolver()
    tls = ssl.create_default_context()
    async with open_sender(guard, resolver, SystemClock(), limits=LIMITS, tls=tls) as sender:
        return await sender.post(Request(url=url, headers=(), body=b"{}"))


@pytest.mark.parametrize("allow", [(), (ip_network("10.99.0.0/16"),)], ids=["none", "another"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS)
async def test_no_way_of_writing_a_local_address_is_dialled(
    host: str, scheme: str, allow: tuple[()]
) -> None:
    async with listening() as listeners:
        guard = EgressGuard(allow, ports=(listeners.port,))  # so the port is not what saves us
        result = await post(guard, f"{scheme}://{host}:{listeners.port}/hook")
    assert listeners.connections == 0
    assert result.error is not None
    assert result.error.startswith(("refused: ", "connect: "))


@pytest.mark.parametrize("address", RESOLVED)
async def test_no_name_of_a_local_address_is_dialled(address: str) -> None:
    async with listening() as listeners:
        guard = EgressGuard(ports=(listeners.port,))
        names = NamedHosts(partner_example=[[address]])
        result = await post(guard, f"https://partner.example:{listeners.port}/", names)
    assert listeners.connections == 0
    assert result.error is not None
    assert "is not a public address" in result.error
    assert not result.our_fault


async def test_a_name_that_turns_local_after_it_was_checked_is_not_dialled() -> None:
    async with listening() as listeners:
        guard = EgressGuard(ports=(listeners.port,))
        names = NamedHosts(partner_example=[["1.1.1.1"], ["127.0.0.1"]])
        url = f"https://partner.example:{listeners.port}/"
        good, _ = await approved(guard, names, guard.check_url(url))
        assert good == ["1.1.1.1"]
        await post(guard, url, names)
    assert listeners.connections == 0


async def test_of_several_addresses_those_that_are_refused_are_not_dialled() -> None:
    async with listening() as listeners:
        guard = EgressGuard((ip_network("127.0.0.9/32"),))  # where nobody listens
        names = NamedHosts(partner_example=[["127.0.0.1", "127.0.0.9", "::1"]])
        result = await post(guard, f"http://partner.example:{listeners.port}/", names)
    assert result.error == "connect: connection refused"
    assert listeners.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_allowed_network_is_dialled(scheme: str) -> None:
    """So the silence of the sockets above means something."""
    async with listening() as listeners:
        guard = EgressGuard((ip_network("127.0.0.0/8"),))
        await post(guard, f"{scheme}://127.0.0.1:{listeners.port}/")
    assert listeners.connections == 1
