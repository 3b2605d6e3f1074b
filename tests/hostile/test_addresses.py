"""The web fetcher of sources: no disguise of a local address leads to a connection.

Judged by sockets that listen on both loopback addresses; the sender of webhooks is held to the same
list in `integration/test_egress.py`.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_network
from urllib.parse import quote

import pytest

from slugline.egress import EgressGuard, Resolver, SystemResolver
from slugline_ingest.fetching import Failed, Fetch, Trouble
from slugline_ingest.fetching.web import WebFetcher
from tests.fakes import ManualClock, NamedHosts
from tests.integration.bad_site import a_site
from tests.integration.test_egress import HOSTS, RESOLVED, listening

#: What a guard refuses, or what cannot be connected to because it is no address at all.
NOT_REACHED = (Trouble.REFUSED, Trouble.UNREACHABLE)
#: Services of clouds, which answer whoever asks from inside.
METADATA = [
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("[fd00:ec2::254]", "[fd20:ce::254]", "metadata.google.internal", "[::ffff:169.254.169.254]"),
    *("[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]", "2852039166", "0xa9fea9fe"),
]


async def fetch(guard: EgressGuard, url: str, resolver: Resolver | None = None) -> Fetch:
    resolver = resolver or SystemResolver()
    return await WebFetcher(guard, resolver, ManualClock(), "Slugline/test", total=5).fetch(url)


def trouble(found: Fetch) -> Trouble:
    assert isinstance(found, Failed), found
    return found.trouble


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS)
async def test_no_way_of_writing_a_local_address_is_fetched_from(host: str, scheme: str) -> None:
    async with listening() as listeners:
        guard = EgressGuard(ports=(listeners.port,))
        found = await fetch(guard, f"{scheme}://{host}:{listeners.port}/")
        assert trouble(found) in NOT_REACHED
    assert listeners.connections == 0


@pytest.mark.parametrize("address", RESOLVED)
async def test_no_name_of_a_local_address_is_fetched_from(address: str) -> None:
    async with listening() as listeners:
        guard = EgressGuard(ports=(listeners.port,))
        names = NamedHosts(page_example=[[address]])
        found = await fetch(guard, f"https://page.example:{listeners.port}/", names)
        assert trouble(found) is Trouble.REFUSED
    assert listeners.connections == 0


@pytest.mark.parametrize("host", [*HOSTS, *METADATA])
@pytest.mark.parametrize("status", [301, 307])
async def test_no_redirect_leads_to_an_address_that_is_not_allowed(host: str, status: int) -> None:
    """The first page is allowed, as one network is; where it leads to is not."""
    async with AsyncExitStack() as stack:
        listeners = await stack.enter_async_context(listening())
        site = await stack.enter_async_context(a_site("127.0.0.99"))
        guard = EgressGuard((ip_network("127.0.0.99/32"),), ports=(listeners.port,))
        to = f"https://{host}:{listeners.port}/latest/meta-data/"
        found = await fetch(guard, site.redirect("/live", quote(to, "/:?[]@%\\."), status))
        assert trouble(found) in NOT_REACHED
        assert len(site.requests) == 1
    assert listeners.connections == 0


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.99"], ["127.0.0.1"]],
        [["127.0.0.99"], ["::1"]],
        [["127.0.0.99"], ["127.0.0.1", "::1"]],
    ],
    ids=["v4", "v6", "both"],
)
async def test_a_name_that_turns_local_after_a_redirect_is_not_dialled(
    answers: Sequence[list[str]],
) -> None:
    async with AsyncExitStack() as stack:
        listeners = await stack.enter_async_context(listening())
        site = await stack.enter_async_context(a_site("127.0.0.99"))
        port = site.url.rpartition(":")[2]
        site.redirect("/live", f"https://page.example:{listeners.port}/")
        guard = EgressGuard((ip_network("127.0.0.99/32"),), ports=(listeners.port,))
        names = NamedHosts(page_example=list(answers))
        found = await fetch(guard, f"http://page.example:{port}/live", names)
        assert trouble(found) is Trouble.REFUSED
        assert len(site.requests) == 1
    assert listeners.connections == 0


async def test_an_address_that_is_allowed_is_dialled() -> None:
    """So the silence of the sockets above means something."""
    async with listening() as listeners:
        guard = EgressGuard((ip_network("127.0.0.0/8"), ip_network("::1/128")))
        for host in ("127.0.0.1", "[::1]"):
            before = listeners.connections
            await fetch(guard, f"http://{host}:{listeners.port}/")
            assert listeners.connections > before
