"""The egress guard's rules, each as a table."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from slugline.egress import (
    Destination,
    EgressGuard,
    SystemResolver,
    approved,
    destination,
    is_public,
)
from slugline.errors import EgressRefusedError
from tests.fakes import NamedHosts

#: IANA's special-purpose registries, IPv4 then IPv6, and what else is no partner's.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 168.63.129.16/32
::1/128 ::/128 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23
2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48
2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20
5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 fd00:ec2::254/128 fd20:ce::254/128
""".split()  # noqa: SIM905


@pytest.mark.parametrize("network", SPECIAL)
def test_no_special_purpose_address_is_public(network: str) -> None:
    net = ip_network(network)
    assert not is_public(net[0])
    assert not is_public(net[-1])


@pytest.mark.parametrize(
    "address",
    [
        *(
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
        ),
        *("128.0.0.0", "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255"),
        *(
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
        ),
        *("198.20.0.0", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"),
        *("2000::1", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2001:4860:4860::8888"),
        *("2003::1", "2606:4700::1111", "2620:4f:7fff::1", "2620:4f:8001::1", "3ffe:ffff::1"),
        *("3fff:1000::1",),
    ],
)
def test_the_neighbours_of_special_networks_are_public(address: str) -> None:
    assert is_public(ip_address(address))


REFUSED = [
    # IPv4 in disguise: decimal, octal, hexadecimal, short, mixed, with a dot at the end
    *("https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/"),
    *("https://127.1/", "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./"),
    *("https://0/", "https://0.0.0.0/", "https://127.0.0.1:443/", "https://00.00.00.00/"),
    *("https://127.0.0.0x1/", "https://1.2.3.4.5/", "https://256.256.256.256/"),
    # IPv6: loopback, mapped, compatible, NAT64, 6to4, Teredo, unique local, link-local, zones
    *("https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
    *("https://[::ffff:169.254.169.254]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/"),
    *("https://[64:ff9b::169.254.169.254]/", "https://[64:ff9b:1::10.0.0.1]/"),
    *("https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::1]/", "https://[2001::1]/"),
    *(
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
    ),
    *("https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[2606:4700::1%25lo]/"),
    *("https://[fec0::1]/", "https://[ff02::1]/", "https://[v1.x]/", "https://[127.0.0.1]/"),
    # clouds' own services
    *(
        "https://169.254.169.254/latest/meta-data/",
        "https://169.254.170.2/",
        "https://168.63.129.16/",
    ),
    *("https://100.100.100.200/", "https://192.0.0.192/", "https://[fd00:ec2::254]/"),
    *("https://metadata.google.internal/", "https://metadata.google.internal./"),
    # names of one's own network
    *("https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/"),
    *("https://db/", "https://db./", "https://printer.local/", "https://host.docker.internal/"),
    *("https://api.svc.cluster.local/", "https://nas.lan/", "https://box.home/", "https://x.corp/"),
    *("https://router.home.arpa/", "https://1.0.0.127.in-addr.arpa/", "https://abc.onion/"),
    *("https://syndicate.news.example/", "https://Syndicate.News.Example./"),
    # user info, and where one parser's host is another one's user
    *(
        "https://user@partner.example/",
        "https://user:pw@partner.example/",
        "https://@partner.example/",
    ),
    *("https://partner.example@127.0.0.1/", "https://partner.example:443@127.0.0.1/"),
    *("https://127.0.0.1#@partner.example/", "https://127.0.0.1\\@partner.example/"),
    *("https://partner.example\\@127.0.0.1/", "https:\\\\127.0.0.1/", "https://a@b@127.0.0.1/"),
    # hosts in other scripts, encoded hosts, and characters that no host has
    *(
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://ｌｏｃａｌｈｏｓｔ/",
        "https://partnér.example/",
    ),
    *("https://%31%32%37.0.0.1/", "https://127.0.0.1%2f.partner.example/", "https://a%00.example/"),
    *(
        "https://a b.example/",
        "https://a,b.example/",
        "https://a;b.example/",
        'https://a"b.example/',
    ),
    *("https://a..example/", "https://.example/", "https://-a.example/", "https://a-.example/"),
    *(
        "https://a*.example/",
        "https://partner.example../",
        "https:///hook",
        "https://",
        "https:///",
    ),
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 130}example/",
    # line ends and other control characters, wherever they stand
    *(
        "https://partner.example/\r\nX: 1",
        "https://partner.example/\n",
        "\thttps://partner.example/",
    ),
    *("https://part\tner.example/", "https://partner.example/\x00", " https://partner.example/"),
    *("https://partner.example/\x7f", "https://partner.example/a b", "https://partner.example/é"),
    # ports and schemes
    *("https://partner.example:22/", "https://partner.example:8443/", "https://partner.example:0/"),
    *(
        "https://partner.example:65536/",
        "https://partner.example:-1/",
        "https://partner.example:x/",
    ),
    *("https://partner.example:4 43/", "http://partner.example/", "http://1.1.1.1/"),
    *(
        "ftp://partner.example/",
        "file:///etc/passwd",
        "gopher://partner.example/",
        "//partner.example/",
    ),
    *("javascript:alert(1)", "partner.example/hook", "unix:///run/docker.sock", "", "https"),
    "https://partner.example/#fragment",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_can_be_seen_through_is_refused_before_any_name_is_resolved(url: str) -> None:
    guard = EgressGuard(own_hosts=frozenset({"syndicate.news.example"}))
    with pytest.raises(EgressRefusedError) as refused:
        guard.check_url(url)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) > 10


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://partner.example", Destination("https", "partner.example", 443, "/")),
        ("HTTPS://Partner.Example./A", Destination("https", "partner.example", 443, "/A")),
        (
            "https://partner.example:443/?a=/b?c",
            Destination("https", "partner.example", 443, "/?a=/b?c"),
        ),
        ("https://partner.example:80//x", Destination("https", "partner.example", 80, "//x")),
        (
            "https://xn--mnchen-3ya.example/",
            Destination("https", "xn--mnchen-3ya.example", 443, "/"),
        ),
        ("https://_a.b-c.1x.example/", Destination("https", "_a.b-c.1x.example", 443, "/")),
        ("https://1.1.1.1/", Destination("https", "1.1.1.1", 443, "/")),
        ("https://[2606:4700::1111]/", Destination("https", "2606:4700::1111", 443, "/")),
        ("https://p.example/%7e%?x={1}", Destination("https", "p.example", 443, "/%7e%?x=%7B1%7D")),
        ("https://p.example/;a=1,2/@me:x", Destination("https", "p.example", 443, "/;a=1,2/@me:x")),
    ],
)
def test_other_urls_are_taken_apart(url: str, expected: Destination) -> None:
    assert EgressGuard().check_url(url) == expected


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://p.example/", "p.example"),
        ("https://p.example:443/", "p.example"),
        ("https://p.example:80/", "p.example:80"),
        ("http://p.example:80/", "p.example"),
        ("http://[::1]:9000/", "[::1]:9000"),
        ("https://[2606:4700::1]/", "[2606:4700::1]"),
    ],
)
def test_the_host_header_names_the_port_where_it_is_not_the_schemes_own(
    url: str, authority: str
) -> None:
    assert destination(url).authority == authority


def test_an_address_in_another_script_is_told_how_to_write_it() -> None:
    with pytest.raises(EgressRefusedError, match="xn--"):
        destination("https://münchen.example/")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["fe80::1%2"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        ["127.0.0.1", "10.0.0.1"],
    ],
)
async def test_a_name_with_no_public_address_is_refused_when_it_is_dialled(
    addresses: list[str],
) -> None:
    guard = EgressGuard()
    wanted = guard.check_url("https://partner.example/")
    good, refused = await approved(guard, NamedHosts(partner_example=[addresses]), wanted)
    assert good == []
    assert refused is not None
    assert "is not a public address" in str(refused)


async def test_of_several_addresses_only_the_public_ones_are_approved() -> None:
    names = NamedHosts(partner_example=[["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]])
    guard = EgressGuard()
    good, refused = await approved(guard, names, guard.check_url("https://partner.example/"))
    assert good == ["1.1.1.1", "2606:4700::1111"]
    assert refused is not None


async def test_a_name_that_changes_its_answer_is_judged_by_what_would_be_dialled() -> None:
    names = NamedHosts(partner_example=[["1.1.1.1"], ["127.0.0.1"]])
    guard = EgressGuard()
    wanted = guard.check_url("https://partner.example/")
    assert (await approved(guard, names, wanted))[0] == ["1.1.1.1"]
    assert (await approved(guard, names, wanted))[0] == []


ALLOWING = EgressGuard(
    (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")), frozenset({"self.example"})
)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://10.1.2.3:9000/hook", "10.1.2.3"),
        ("https://10.1.2.3:8443/hook", "10.1.2.3"),
        ("http://[fd00:1::5]:9000/", "fd00:1::5"),
        ("http://receiver:9000/hook", "10.1.2.3"),
        ("http://receiver.internal:22/hook", "10.1.2.3"),
        ("http://self.example/hook", "10.1.2.3"),
        ("https://partner.example/hook", "10.1.2.3"),
    ],
)
async def test_an_allowed_network_waives_the_rules_of_address_scheme_port_and_name(
    url: str, address: str
) -> None:
    wanted = ALLOWING.check_url(url)
    names = NamedHosts(**{wanted.host.replace(".", "_"): [[address]]})
    assert await approved(ALLOWING, names, wanted) == ([address], None)


@pytest.mark.parametrize(
    ("url", "address", "why"),
    [
        ("http://partner.example/", "1.1.1.1", "only https"),
        ("https://partner.example:8443/", "1.1.1.1", "port 8443"),
        ("https://receiver/", "1.1.1.1", "no full, public host name"),
        ("https://2130706433/", "127.0.0.1", "no full, public host name"),
        ("https://self.example/", "1.1.1.1", "this service itself"),
        ("https://partner.example/", "10.2.0.1", "not a public address"),
        ("https://partner.example/", "::ffff:10.1.2.3", "not a public address"),
    ],
)
async def test_outside_of_an_allowed_network_every_rule_holds(
    url: str, address: str, why: str
) -> None:
    wanted = ALLOWING.check_url(url)
    names = NamedHosts(**{wanted.host.replace(".", "_"): [[address]]})
    good, refused = await approved(ALLOWING, names, wanted)
    assert good == []
    assert why in str(refused)


@pytest.mark.parametrize("url", ["http://10.2.0.1/", "https://10.2.0.1/", "https://127.0.0.1/"])
def test_a_literal_outside_of_an_allowed_network_is_refused_at_once(url: str) -> None:
    with pytest.raises(EgressRefusedError):
        ALLOWING.check_url(url)


def test_user_info_and_odd_characters_are_refused_inside_an_allowed_network_too() -> None:
    for url in ("http://user@10.1.2.3/", "http://10.1.2.3\\@x/", "http://10.1.2.3/\r\n"):
        with pytest.raises(EgressRefusedError):
            ALLOWING.check_url(url)


# --- the resolver -----------------------------------------------------------------------------------


class Lookups:
    """A getaddrinfo whose answers for some hosts come only when they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, host: str, port: int, **_: Any) -> Sequence[Any]:
        self.asked.append(host)
        if host.startswith("hanging"):
            self.let_go.wait(10)
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))] * 2


async def test_names_that_hang_keep_nobody_elses_name_waiting() -> None:
    lookups = Lookups()
    resolver = SystemResolver(lookups)
    hanging = [
        asyncio.create_task(resolver.resolve(f"hanging{i % 20}.example", 443)) for i in range(200)
    ]
    assert await resolver.resolve("good.example", 443) == ["1.1.1.1"]
    assert not any(task.done() for task in hanging)
    lookups.let_go.set()
    assert await asyncio.gather(*hanging) == [["1.1.1.1"]] * 200
    assert len(lookups.asked) == 21  # each name once at a time


async def test_who_gives_up_waiting_for_a_name_does_not_take_it_from_others() -> None:
    lookups = Lookups()
    resolver = SystemResolver(lookups)
    first, second = (
        asyncio.create_task(resolver.resolve("hanging.example", 443)) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    lookups.let_go.set()
    assert await second == ["1.1.1.1"]


async def test_an_unknown_name_is_an_os_error_each_time_it_is_asked_for() -> None:
    resolver = SystemResolver(Lookups())
    for _ in range(2):
        with pytest.raises(OSError, match="not known"):
            await resolver.resolve("unknown.example", 443)


async def test_the_machines_resolver_knows_localhost() -> None:
    assert set(await SystemResolver().resolve("localhost", 443)) & {"127.0.0.1", "::1"}
