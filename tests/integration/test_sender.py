"""The sender against a receiver on loopback that misbehaves. Each test is a rule."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, Resolver, SystemResolver
from slugline_syndicate.deliveries.exchange import Request
from slugline_syndicate.deliveries.http1 import Limits
from slugline_syndicate.deliveries.sender import Sender, open_sender, parse_retry_after
from tests.builders import NOON
from tests.fakes import NamedHosts
from tests.integration.bad_receiver import Peer, Receiver, Script, answer, answering, receiving

OK = answer(200)
#: Long enough never to be met; tests that wait for a limit take QUICK.
PATIENT = Limits(connect=20, total=30, idle=30)
QUICK = Limits(connect=0.3, total=0.3)


@asynccontextmanager
async def sending(
    limits: Limits = PATIENT,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
    allow: str = "127.0.0.0/8",
) -> AsyncIterator[Sender]:
    guard = EgressGuard((ip_network(allow),))
    async with open_sender(
        guard, resolver or SystemResolver(), SystemClock(), limits=limits, tls=tls
    ) as sender:
        yield sender


def to(url: str, body: bytes = b'{"type":"entry.created"}', **headers: str) -> Request:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(url=url, headers=pairs, body=body)


# --- what is sent -----------------------------------------------------------------------------------


async def test_a_request_carries_exactly_the_body_and_its_headers_once() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        request = to(f"{receiver.url}?a=1&b=2", b"\x00\xffbytes\r\n", webhook_id="w1")
        assert (await sender.post(request)).success
    [seen] = receiver.requests
    assert seen.line == "POST /hook?a=1&b=2 HTTP/1.1"
    assert seen.body == b"\x00\xffbytes\r\n"
    assert seen.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "Slugline",
        "content-type": "application/json",
        "content-length": "9",
        "webhook-id": "w1",
    }


@pytest.mark.parametrize("bad", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\x00b", "ü", "a\u2028b"])
async def test_a_header_that_would_split_the_request_is_our_fault_and_is_not_sent(bad: str) -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url, webhook_id=bad))
    assert result.our_fault
    assert result.status is None
    assert result.error == "unsendable: a header holds a character that no header may hold"
    assert receiver.connections == 0


@pytest.mark.parametrize("bad", ["\r\nX: 1", "\n", "\t", " ", "\x00", "\x7f", "\\", "é", "#part"])
async def test_a_url_that_would_split_the_request_is_refused(bad: str) -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url + bad + "x"))
    assert result.error is not None
    assert result.error.startswith("refused: ")
    assert receiver.connections == 0


async def test_characters_that_no_url_may_hold_are_escaped_once() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        await sender.post(to(receiver.url + '/{a}|"<>^`%20?q=[1]{2}%7B'))
    assert receiver.requests[0].line == (
        "POST /hook/%7Ba%7D%7C%22%3C%3E%5E%60%20?q=%5B1%5D%7B2%7D%7B HTTP/1.1"
    )


# --- answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "early",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nRetry-After: 9\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n",
    ],
    ids=["100", "103", "102"],
)
@pytest.mark.parametrize("together", [True, False])
async def test_interim_answers_are_passed_over(early: bytes, together: bool) -> None:
    pieces = (early * 2 + answer(503),) if together else (early, early, answer(503))
    async with receiving(answering(*pieces)) as receiver, sending() as sender:
        for _ in range(2):
            result = await sender.post(to(receiver.url))
            assert (result.status, result.error, result.retry_after) == (503, None, None)
    assert receiver.connections == 1


async def test_interim_answers_without_end_are_a_flood() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert result.error == "protocol: more than 32768 bytes of headers"


@pytest.mark.parametrize("head", ["", "Upgrade: h2c\r\nConnection: upgrade\r\n"])
async def test_switching_protocols_unasked_is_a_fault(head: str) -> None:
    said = f"HTTP/1.1 101 Switching\r\n{head}\r\n".encode()
    async with receiving(answering(said)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert result.error == "protocol: answered 101"


@pytest.mark.parametrize(
    "said",
    [
        answer(200, body=b"thanks"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        answer(301, "Location: http://127.0.0.1:1/"),
        answer(418),
    ],
    ids=["length", "chunked", "204", "204-length", "304", "no-reason", "1.0", "301", "418"],
)
async def test_a_connection_is_used_again_after_a_whole_answer(said: bytes) -> None:
    """However the answer is cut up on its way."""
    bytewise = tuple(said[i : i + 1] for i in range(len(said)))
    expected = int(said.split()[1])
    async with receiving(answering(said), answering(*bytewise)) as receiver, sending() as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(3)] == [expected] * 3
        assert receiver.connections == 1
    async with receiving(answering(*bytewise)) as receiver, sending() as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(3)] == [expected] * 3
        assert receiver.connections == 1


@pytest.mark.parametrize(
    "said",
    [
        answer(200, "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"x",
        OK + OK,
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        answer(200, "Content-Length: 0").replace(b"Content-Length: 0\r\n\r\n", b"\r\nextra"),
    ],
    ids=["close", "1.0", "trailing", "two-answers", "204-chunked", "longer-than-its-length"],
)
async def test_a_connection_is_not_used_again_where_it_cannot_be_trusted(said: bytes) -> None:
    async with receiving(answering(said)) as receiver, sending() as sender:
        statuses = [(await sender.post(to(receiver.url))).status for _ in range(3)]
    assert statuses == [int(said.split()[1])] * 3
    assert receiver.connections == 3


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.0 200 OK\r\n\r\nsome text",
        b"HTTP/1.1 200 OK\r\n\r\nsome text",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["1.0", "no-length", "shorter-than-its-length", "half-a-chunk"],
)
@pytest.mark.parametrize("end", ["close", "half-close", "reset"])
async def test_the_status_counts_where_the_body_ends_with_the_connection(
    said: bytes, end: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        if end == "half-close":
            peer.half_close()
            await peer.gone()
        elif end == "reset":
            await peer.writer.drain()
            await asyncio.sleep(0.02)  # else the reset overtakes what was said
            peer.reset()

    async with receiving(script) as receiver, sending() as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(2)] == [200, 200]
    assert receiver.connections == 2


@pytest.mark.parametrize(
    "head",
    ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n"],
    ids=["no-length", "1-GiB"],
)
async def test_of_an_endless_body_the_status_counts_and_the_connection_is_closed(head: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(head.encode() + b"\r\n")
        for _ in range(1024):
            await peer.say(bytes(1024 * 1024))

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
        await until(lambda: receiver.left == 1)
    assert (result.status, result.error) == (200, None)


@pytest.mark.parametrize(
    "endless",
    [b"1\r\na\r\n", b"1;" + b"x" * 500 + b"\r\na\r\n", b"0\r\n" + b"T: 1\r\n" * 50],
    ids=["chunks", "extensions", "trailers"],
)
async def test_framing_and_trailers_count_as_body(endless: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", endless)
        while True:
            await peer.say((b"T: 1\r\n" if endless.startswith(b"0") else endless) * 100)

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert (result.status, result.error) == (200, None)


@pytest.mark.parametrize(("size", "connections"), [(16 * 1024, 1), (16 * 1024 + 1, 2)])
async def test_a_body_of_16_kib_is_read_and_a_longer_one_is_not(
    size: int, connections: int
) -> None:
    async with receiving(answering(answer(200, body=bytes(size)))) as receiver, sending() as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(2)] == [200, 200]
    assert receiver.connections == connections


async def test_a_body_is_never_decompressed() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 16 * 1024
    said = answer(200, "Content-Encoding: gzip", body=bomb)
    async with receiving(answering(said)) as receiver, sending() as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(2)] == [200, 200]
    assert receiver.connections == 1  # so it counted as the few bytes that it is
    assert "accept-encoding" not in receiver.requests[0].headers


@pytest.mark.parametrize("surplus", [0, 1])
async def test_a_head_may_have_32_kib_and_no_more(surplus: int) -> None:
    room = 32 * 1024 - len(answer(200, "X: ")) + surplus
    said = answer(200, "X: " + "x" * room)
    async with receiving(answering(said)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    expected = None if surplus == 0 else "protocol: more than 32768 bytes of headers"
    assert result.error == expected


@pytest.mark.parametrize("flood", [b"X: 1\r\n", b"x"], ids=["many-headers", "one-line"])
async def test_a_flood_of_headers_is_cut(flood: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await peer.say(flood * 1000)

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
        await until(lambda: receiver.left == 1)
    assert result.error == "protocol: more than 32768 bytes of headers"


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>hello</html>",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ],
)
async def test_garbage_is_a_protocol_fault_in_one_line(said: bytes) -> None:
    async with receiving(answering(said)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
        await until(lambda: receiver.left == 1)
    assert result.status is None
    assert result.error is not None
    assert result.error.startswith("protocol: ")
    assert "\n" not in result.error
    assert not result.our_fault


async def test_a_redirect_is_not_followed() -> None:
    async with receiving(answering(OK)) as target:
        said = answer(307, f"Location: {target.url}")
        async with receiving(answering(said)) as receiver, sending() as sender:
            result = await sender.post(to(receiver.url))
        assert (result.status, result.success) == (307, False)
        assert target.connections == 0


async def test_cookies_are_not_kept() -> None:
    said = answer(200, "Set-Cookie: a=1; Path=/")
    async with receiving(answering(said)) as receiver, sending() as sender:
        for _ in range(2):
            await sender.post(to(receiver.url))
    assert "cookie" not in receiver.requests[1].headers


# --- Retry-After ------------------------------------------------------------------------------------


async def test_retry_after_is_read_from_the_head_of_the_answer_alone() -> None:
    trailer = (
        b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nRetry-After: 9\r\n\r\n"
    )
    async with receiving(answering(trailer)) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert (result.status, result.retry_after) == (429, timedelta(minutes=2))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 30 ", 30),
        ("86400", 86_400),
        ("86401", 86_400),
        ("9" * 100, 86_400),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sunday, 22-Nov-26 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2126 12:00:00 GMT", 86_400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_up_to_a_day_and_nonsense_is_none(
    value: str, seconds: int | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(value, NOON) == expected


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_no_retry_after_is_beyond_a_day_or_fails(value: str) -> None:
    found = parse_retry_after(value, datetime(2026, 11, 22, tzinfo=UTC))
    assert found is None or timedelta(0) <= found <= timedelta(hours=24)


# --- time limits ------------------------------------------------------------------------------------


async def drip_headers(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await peer.say(b"x")
        await asyncio.sleep(0.1)


async def drip_body(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await peer.say(b"x")
        await asyncio.sleep(0.1)


async def hang(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def hang_unread(peer: Peer) -> None:
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("script", [drip_headers, drip_body, hang, hang_unread])
async def test_an_answer_that_takes_too_long_is_a_timeout_and_no_fault_of_ours(
    script: Script,
) -> None:
    async with receiving(script) as receiver, sending(QUICK) as sender:
        result = await sender.post(to(receiver.url, bytes(64 * 1024)))
        assert (result.status, result.our_fault) == (None, False)
        assert result.error == "timeout: no answer within 0.3 s"
        again = await sender.post(to(receiver.url))
        assert again.error == "timeout: no answer within 0.3 s"
    assert receiver.connections == 2  # the first was closed


async def test_a_kept_connection_has_the_same_time_for_each_answer() -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await asyncio.sleep(0.2)
            await peer.say(OK)
        await hang(peer)

    limits = replace(PATIENT, total=0.3)
    async with receiving(script, answering(OK)) as receiver, sending(limits) as sender:
        assert [(await sender.post(to(receiver.url))).status for _ in range(2)] == [200, 200]
        result = await sender.post(to(receiver.url))
        assert result.error == "timeout: no answer within 0.3 s"
        await until(lambda: receiver.left == 1)
        assert (await sender.post(to(receiver.url))).success
    assert receiver.connections == 2


async def test_many_requests_that_hang_end_each_at_its_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await hang(peer)

    limits = replace(PATIENT, total=0.3)
    async with receiving(script) as receiver, sending(limits) as sender:
        urls = [f"{receiver.url}{n}" for n in range(5)]
        for url in urls:
            assert (await sender.post(to(url))).success
        tasks = []
        for url in urls:
            tasks.append(asyncio.create_task(sender.post(to(url))))
            await asyncio.sleep(0.02)
        durations = [(await task).duration for task in tasks]
        assert min(durations) >= timedelta(seconds=0.29)
        await until(lambda: receiver.left == 5)


async def test_a_host_that_accepts_nobody_is_a_timeout_of_the_connection() -> None:
    """TLS to a receiver that never shakes hands."""
    async with receiving(hang_unread) as receiver:
        limits = replace(PATIENT, connect=0.2)
        async with sending(limits) as sender:
            result = await sender.post(to(receiver.url.replace("http:", "https:")))
    assert result.error == "timeout: no connection within 0.2 s"


async def test_nobody_listening_is_a_refused_connection() -> None:
    async with receiving(answering(OK)) as receiver:
        url = receiver.url
    async with sending() as sender:
        result = await sender.post(to(url))
    assert (result.error, result.our_fault) == ("connect: connection refused", False)


async def test_a_name_without_an_address_is_the_endpoints_trouble() -> None:
    async with sending(resolver=NamedHosts()) as sender:
        result = await sender.post(to("https://nowhere.example/hook"))
    assert (result.error, result.our_fault) == ("connect: nowhere.example is unknown", False)


async def test_cancelling_closes_the_connection() -> None:
    async with receiving(hang) as receiver, sending() as sender:
        task = asyncio.create_task(sender.post(to(receiver.url)))
        await until(lambda: bool(receiver.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: receiver.left == 1)


async def test_cancelling_closes_a_kept_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await hang(peer)

    async with receiving(script) as receiver, sending() as sender:
        await sender.post(to(receiver.url))
        task = asyncio.create_task(sender.post(to(receiver.url)))
        await until(lambda: len(receiver.requests) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: receiver.left == 1)


async def test_cancelling_while_shaking_hands_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.receiver.requests.clear()
        await peer.gone()

    async with receiving(script) as receiver, sending() as sender:
        task = asyncio.create_task(sender.post(to(receiver.url.replace("http:", "https:"))))
        await until(lambda: receiver.connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: receiver.left == 1)


async def test_leaving_the_sender_closes_what_it_kept() -> None:
    async with receiving(answering(OK)) as receiver:
        async with sending() as sender:
            await sender.post(to(receiver.url))
            assert receiver.left == 0
        await until_left(receiver, 1)


# --- connections that end ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 2"], ids=["nothing", "part-of-a-head"])
async def test_a_fresh_connection_that_ends_without_an_answer_is_not_tried_again(
    how: str, after: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(after)
        await end(peer, how)

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert result.error in (
        "lost: the connection was closed before the answer",
        "lost: the connection was reset before the answer",
    )
    assert not result.our_fault
    assert len(receiver.requests) == receiver.connections == 1


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_a_stale_connection_is_replaced_at_once_inside_the_attempt(how: str) -> None:
    """The endpoint takes the second request on a kept connection and gives up instead of answering."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await end(peer, how)

    async with receiving(script, answering(OK)) as receiver, sending() as sender:
        assert (await sender.post(to(receiver.url))).success
        result = await sender.post(to(receiver.url, b"second"))
    assert (result.status, result.error) == (200, None)
    assert receiver.connections == 2
    assert [request.body for request in receiver.requests[1:]] == [b"second", b"second"]


async def test_a_stale_connection_is_replaced_once_and_not_again_and_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()

    async def refuse(peer: Peer) -> None:
        await peer.request()

    async with receiving(script, refuse) as receiver, sending() as sender:
        await sender.post(to(receiver.url))
        result = await sender.post(to(receiver.url))
    assert result.error == "lost: the connection was closed before the answer"
    assert receiver.connections == 2


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_a_kept_connection_is_not_replaced_after_a_byte_of_the_answer(how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"H")
        await asyncio.sleep(0.02)  # else a reset overtakes the byte
        await end(peer, how)

    async with receiving(script, answering(OK)) as receiver, sending() as sender:
        await sender.post(to(receiver.url))
        result = await sender.post(to(receiver.url))
    assert result.error is not None
    assert result.error.startswith("lost: ")
    assert receiver.connections == 1


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_a_connection_that_ended_while_idle_is_not_used(how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await asyncio.sleep(0.02)
        await end(peer, how)
        peer.receiver.left += 1

    async with receiving(script, answering(OK)) as receiver, sending() as sender:
        await sender.post(to(receiver.url))
        await until(lambda: receiver.left >= 1)
        await asyncio.sleep(0.02)
        assert (await sender.post(to(receiver.url))).success
    assert len(receiver.requests) == receiver.connections == 2


@pytest.mark.parametrize("unasked", [OK, b"x", answer(408, "Connection: close"), b"\r\n"])
async def test_a_kept_connection_that_speaks_unasked_is_closed(unasked: bytes) -> None:
    """Its bytes are nobody's answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await asyncio.sleep(0.02)
        await peer.say(unasked)
        await peer.gone()

    async with receiving(script, answering(answer(204))) as receiver, sending() as sender:
        await sender.post(to(receiver.url))
        await until(lambda: receiver.left == 1)
        assert (await sender.post(to(receiver.url))).status == 204


async def test_bytes_before_the_request_are_no_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.say(b"220 mail.example ESMTP\r\n")
        await peer.gone()

    async with receiving(script) as receiver, sending() as sender:
        result = await sender.post(to(receiver.url))
    assert result.error is not None
    assert result.error.startswith(("protocol: ", "lost: "))


@pytest.mark.parametrize("how", ["close", "reset", "keep"])
async def test_an_answer_before_the_body_was_read_counts(how: str) -> None:
    """Such as 413; the rest of the body is not sent, and the connection is not used again."""

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.writer.write(answer(413, "Connection: keep-alive"))
        await peer.writer.drain()
        await asyncio.sleep(0.02)
        if how != "keep":
            await end(peer, how)
        else:
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            await peer.gone()

    async with receiving(head_first(script), buffer=4096) as receiver, sending() as sender:
        for _ in range(2):
            result = await sender.post(to(receiver.url, bytes(8_000_000)))
            assert (result.status, result.error) == (413, None)
    assert receiver.connections == 2


# --- kept connections -------------------------------------------------------------------------------


async def test_at_most_four_connections_are_kept_for_an_endpoint() -> None:
    ready = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await ready.wait()
            await peer.say(OK)

    async with receiving(script) as receiver, sending() as sender:
        tasks = [asyncio.create_task(sender.post(to(receiver.url))) for _ in range(7)]
        await until(lambda: len(receiver.requests) == 7)
        ready.set()
        assert all([(await task).success for task in tasks])
        assert receiver.connections == 7
        ready.clear()
        tasks = [asyncio.create_task(sender.post(to(receiver.url))) for _ in range(5)]
        await until(lambda: len(receiver.requests) == 12)
        ready.set()
        assert all([(await task).success for task in tasks])
    assert receiver.connections == 8


async def test_endpoints_do_not_share_connections() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        for path in ("/a", "/b", "/a", "/b"):
            await sender.post(to(receiver.url + path))
    assert receiver.connections == 2


async def test_a_connection_that_is_idle_for_too_long_is_closed() -> None:
    brief = replace(PATIENT, idle=0.05)
    async with receiving(answering(OK)) as receiver, sending(brief) as sender:
        await sender.post(to(receiver.url))
        await sender.post(to(receiver.url + "2"))
        await until_left(receiver, 2)
        assert (await sender.post(to(receiver.url))).success
    assert receiver.connections == 3


# --- TLS --------------------------------------------------------------------------------------------


@contextmanager
def authority() -> Iterator[tuple[trustme.CA, ssl.SSLContext]]:
    ca = trustme.CA()
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    yield ca, trusting


def serving(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


LOCAL = NamedHosts(partner_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])


def named(receiver: Receiver, host: str = "partner.example") -> str:
    return f"https://{host}:{receiver.port}/hook"


async def test_the_name_is_in_sni_and_host_while_the_approved_address_is_dialled() -> None:
    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("partner.example"))
        async with (
            receiving(answering(OK), tls=cert) as receiver,
            sending(resolver=LOCAL, tls=trusting) as sender,
        ):
            for _ in range(3):
                assert (await sender.post(to(named(receiver)))).success
    assert receiver.names == ["partner.example"]
    assert receiver.requests[0].headers["host"] == f"partner.example:{receiver.port}"
    assert receiver.connections == 1


async def test_a_dot_at_the_end_of_a_name_changes_nothing() -> None:
    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("partner.example"))
        async with (
            receiving(answering(OK), tls=cert) as receiver,
            sending(resolver=LOCAL, tls=trusting) as sender,
        ):
            assert (await sender.post(to(named(receiver, "Partner.Example.")))).success
    assert receiver.names == ["partner.example"]


async def test_a_certificate_of_an_address_is_accepted_for_it() -> None:
    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("127.0.0.1"))
        async with receiving(answering(OK), tls=cert) as receiver, sending(tls=trusting) as sender:
            assert (await sender.post(to(named(receiver, "127.0.0.1")))).success


async def refusal_of(context: ssl.SSLContext, trusting: ssl.SSLContext) -> str:
    async with (
        receiving(answering(OK), tls=context) as receiver,
        sending(resolver=LOCAL, tls=trusting) as sender,
    ):
        result = await sender.post(to(named(receiver)))
        assert receiver.requests == []
    assert result.error is not None
    assert not result.our_fault
    return result.error


async def test_a_certificate_for_another_host_is_refused() -> None:
    with authority() as (ca, trusting):
        error = await refusal_of(serving(ca.issue_cert("other.example")), trusting)
    assert error.startswith("tls: the certificate is not accepted: Hostname mismatch")


async def test_an_expired_certificate_is_refused() -> None:
    with authority() as (ca, trusting):
        old = ca.issue_cert("partner.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))
        error = await refusal_of(serving(old), trusting)
    assert error == "tls: the certificate is not accepted: certificate has expired"


async def test_a_certificate_that_nobody_known_has_signed_is_refused() -> None:
    with authority() as (_, trusting), authority() as (stranger, _):
        error = await refusal_of(serving(stranger.issue_cert("partner.example")), trusting)
    assert error.startswith("tls: the certificate is not accepted: ")


async def test_without_being_told_otherwise_the_machines_authorities_are_trusted() -> None:
    with authority() as (ca, _):
        error = await refusal_of(
            serving(ca.issue_cert("partner.example")), ssl.create_default_context()
        )
    assert error.startswith("tls: the certificate is not accepted: ")


async def test_tls_older_than_1_2_is_refused() -> None:
    with authority() as (ca, trusting):
        context = serving(ca.issue_cert("partner.example"))
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        error = await refusal_of(context, trusting)
    assert error.startswith(("tls: ", "connect: closed before the connection was ready"))


async def test_a_tls_alert_is_told() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.say(bytes.fromhex("15030100020246"))  # fatal, protocol_version
        await peer.gone()

    async with receiving(script) as receiver, sending(resolver=LOCAL) as sender:
        result = await sender.post(to(named(receiver)))
    assert result.error == "tls: tlsv1 alert protocol version"


async def test_plain_http_where_tls_was_expected_is_a_tls_fault() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.say(answer(400, "Connection: close"))

    async with receiving(script) as receiver, sending(resolver=LOCAL) as sender:
        result = await sender.post(to(named(receiver)))
    assert result.error == "tls: wrong version number"


async def test_tls_where_plain_http_was_expected_is_a_fault() -> None:
    with authority() as (ca, _):
        cert = serving(ca.issue_cert("127.0.0.1"))
        async with receiving(answering(OK), tls=cert) as receiver, sending() as sender:
            result = await sender.post(to(receiver.url))
    assert result.error is not None
    assert result.error.startswith(("protocol: ", "lost: "))


async def test_a_certificate_that_the_endpoint_asks_us_for_is_a_tls_fault() -> None:
    with authority() as (ca, trusting):
        context = serving(ca.issue_cert("partner.example"))
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
        error = await refusal_of(context, trusting)
    assert error.startswith(("tls: ", "lost: "))


async def test_connections_with_and_without_tls_are_not_mixed() -> None:
    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("127.0.0.1"))
        async with receiving(answering(OK), tls=cert) as receiver, sending(tls=trusting) as sender:
            secure = receiver.url.replace("http:", "https:")
            assert (await sender.post(to(secure))).success
            assert not (await sender.post(to(receiver.url))).success
            assert (await sender.post(to(secure))).success
    assert receiver.connections == 1  # those without TLS failed before they counted


async def test_over_tls_a_body_that_ends_with_the_connection_counts() -> None:
    """Also where the endpoint does not say goodbye."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nsome text")
        await asyncio.sleep(0.02)
        peer.writer.transport.abort()

    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("127.0.0.1"))
        async with receiving(script, tls=cert) as receiver, sending(tls=trusting) as sender:
            result = await sender.post(to(receiver.url.replace("http:", "https:")))
    assert (result.status, result.error) == (200, None)


async def test_over_tls_a_stale_connection_is_replaced() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        peer.writer.transport.abort()

    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("127.0.0.1"))
        async with (
            receiving(script, answering(OK), tls=cert) as receiver,
            sending(tls=trusting) as sender,
        ):
            secure = receiver.url.replace("http:", "https:")
            assert [(await sender.post(to(secure))).status for _ in range(2)] == [200, 200]
    assert receiver.connections == 2


# --- addresses --------------------------------------------------------------------------------------


async def test_where_one_address_refuses_the_next_one_is_tried() -> None:
    async with receiving(answering(OK)) as receiver:
        names = NamedHosts(partner_example=[["127.0.0.9", "127.0.0.8", "127.0.0.1"]])
        async with sending(resolver=names) as sender:
            url = f"http://partner.example:{receiver.port}/hook"
            assert (await sender.post(to(url))).success


async def test_where_one_address_hangs_the_next_one_is_tried_beside_it() -> None:
    """And what the first one opens too late is closed."""
    with authority() as (ca, trusting):
        cert = serving(ca.issue_cert("partner.example"))
        names = NamedHosts(partner_example=[[Silent.address, "127.0.0.1"]])
        async with (
            receiving(answering(OK), tls=cert) as receiver,
            silent(receiver.port) as hanging,
            sending(resolver=names, tls=trusting) as sender,
        ):
            assert (await sender.post(to(named(receiver)))).success
            await until(lambda: hanging.left == 1)


async def test_where_every_address_fails_the_last_reason_is_given() -> None:
    async with receiving(answering(OK)) as receiver:
        port = receiver.port
    names = NamedHosts(partner_example=[["127.0.0.9", "127.0.0.8"]])
    async with sending(resolver=names) as sender:
        result = await sender.post(to(f"http://partner.example:{port}/hook"))
    assert result.error == "connect: connection refused"


# --- helpers ----------------------------------------------------------------------------------------


async def until(true: Callable[[], bool]) -> None:
    """Wait until *true*; fails after 10 s."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def until_left(receiver: Receiver, count: int) -> None:
    await until(lambda: receiver.left == count)


async def end(peer: Peer, how: str) -> None:
    if how == "reset":
        peer.reset()
    elif how == "half-close":
        peer.half_close()
        await peer.gone()
    else:
        peer.writer.close()


def head_first(script: Script) -> Script:
    async def whole(peer: Peer) -> None:
        await peer.head()
        await script(peer)

    return whole


@asynccontextmanager
async def silent(port: int) -> AsyncIterator["Silent"]:
    """Listens beside a receiver, on the same port of another address, and never says a word."""
    found = Silent()
    server = await asyncio.start_server(found.serve, found.address, port)
    try:
        yield found
    finally:
        server.close()


class Silent:
    address = "127.0.0.7"
    left = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        self.left += 1
        writer.close()
