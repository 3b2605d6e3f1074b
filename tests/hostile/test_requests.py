"""Requests that no decent client sends: each gets an answer of its own kind, and nobody else notices."""

import gzip
import logging
import tracemalloc

import brotli
import pytest

from slugline.web.problems import MAX_BODY
from tests.hostile.raw import Port, answers_others, said, statuses, wire

CLOSE = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"
GOOD = b'{"title":"x"}'


async def asked(port: Port, data: bytes) -> int:
    """The one status that *data* is answered with; others are answered after it."""
    [status] = statuses(await said(port.number, data))
    assert await answers_others(port.number)
    return status


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 1_000_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        b"NONSENSE /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: x\n\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        b"GET http://[::1/livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /blogs/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /blogs/x?before=\xed\xa0\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 10_000,
    ],
    ids=["line", "field", "fields", "endless", "tls", "http2", "version", "method", "bare-lf",
         "space", "nul", "folded", "target", "path", "query", "zeros"],
)  # fmt: skip
async def test_a_head_that_is_no_request_is_a_400(
    port: Port, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And no traceback in the log: anybody can send thousands of them."""
    with caplog.at_level(logging.DEBUG):
        assert await asked(port, sent) == 400
    assert [line for line in caplog.records if line.exc_info] == []


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 5", CHUNKED),
        (CHUNKED, "Content-Length: 5"),
        (CHUNKED, "Transfer-Encoding: identity"),
        ("Transfer-Encoding: identity, chunked, gzip",),
        ("Transfer-Encoding: nonsense",),
        ("Transfer-Encoding:\x0bchunked",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 6",),
        ("Content-Length: -5",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: " + "9" * 5_000,),
    ],
    ids=lambda lines: "+".join(lines)[:40],
)
async def test_a_body_whose_end_can_be_read_in_two_ways_is_a_400_and_hides_no_second_request(
    port: Port, framing: tuple[str, ...]
) -> None:
    hidden = b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert await asked(port, port.head(*framing) + hidden) == 400


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nabc\r\n",
        b"-1\r\nabc\r\n",
        b"ffffffffffffffffff\r\nabc\r\n",
        b"3\r\nabcdef\r\n",
        b"0\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n",
    ],
    ids=["letters", "negative", "huge", "too-long", "trailers"],
)
async def test_nonsense_for_chunks_is_a_400(
    port: Port, chunks: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert await asked(port, port.head(CHUNKED, CLOSE) + chunks) == 400
    assert [line for line in caplog.records if line.exc_info] == []


@pytest.mark.parametrize("count", [1, 33, 5_000])
async def test_requests_that_are_sent_without_waiting_are_each_answered_in_turn(
    port: Port, count: int
) -> None:
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    async with wire(port.number) as connection:
        connection.writer.write(
            one * (count - 1) + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        assert statuses(await connection.rest()) == [200] * count


async def test_an_upgrade_to_another_protocol_is_passed_over(port: Port) -> None:
    upgrade = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    after = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(await said(port.number, upgrade + after)) == [200, 200]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        *(("/v1/subscriptions/%ff%fe%00", ()), ("/v1/subscriptions/%ed%a0%80", ())),
        *(("/v1/subscriptions?after=%ed%a0%80", ()), ("/v1/subscriptions?limit=" + "9" * 5_000, ())),
        ("/v1/subscriptions?limit=" + "0" * 20 + "1" + "9" * 5_000, ()),
        ("/v1/subscriptions/x/attempts?after=" + "9" * 5_000, ()),
        *(("/v1/blogs/%ff%fe%00", ()), ("/v1/blogs/storm/entries/%ed%a0%80", ())),
        *(("/blogs/%ff", ()), ("/blogs/a/entries/%00", ()), ("/?page=" + "9" * 5_000, ())),
        *(("/../../etc/passwd", ()), ("/%2e%2e/%2e%2e/etc/passwd", ()), ("/v1/../livez", ())),
        ("/", ("If-Modified-Since: " + "9" * 5_000,)),
        ("/", ("If-Modified-Since: Sat, 99 Nov 99999 99:99:99 GMT",)),
        ("/", ("If-None-Match: " + "," * 5_000,)),
        ("/", ("Accept-Encoding: gzip;q=nan, *;q=1e400",)),
        ("/", ("Accept-Encoding: " + "gzip;" * 1_000,)),
        ("/", ("Range: bytes=0-0,1-1", "Expect: 200-ok")),
    ],
)  # fmt: skip
async def test_odd_addresses_and_headers_are_no_fault_of_ours(
    port: Port, target: str, headers: tuple[str, ...]
) -> None:
    head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", CLOSE, *headers,
                        f"Authorization: Bearer {port.token}", "", ""])  # fmt: skip
    assert await asked(port, head.encode()) < 500


@pytest.mark.parametrize("digits", ["9" * 5_000, "-1", "1e3", "\xb2", '"9"9"'])
async def test_a_revision_that_is_no_number_is_not_the_one(port: Port, digits: str) -> None:
    head = f"PATCH {port.path}/x HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\nAuthorization: Bearer {port.token}\r\n"
    assert await asked(port, f"{head}If-Match: {digits}\r\n\r\n".encode("latin-1")) < 500


@pytest.mark.parametrize("token", [b"", b"\xff\xfe", b"a" * 8_000, b"\xc3\xa9", b"Bearer"])
async def test_a_token_of_any_bytes_is_just_wrong(port: Port, token: bytes) -> None:
    head = f"POST {port.path} HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\nContent-Length: 0\r\n".encode()
    assert await asked(port, head + b"Authorization: Bearer " + token + b"\r\n\r\n") == 401


# --- bodies ---------------------------------------------------------------------------------------


async def test_a_body_that_says_that_it_is_too_large_is_refused_before_any_of_it_came(
    port: Port,
) -> None:
    async with wire(port.number) as connection:
        await connection.send(port.head(f"Content-Length: {10**12}"))
        assert await connection.status() == 413


async def test_a_body_in_chunks_is_read_up_to_the_limit_and_no_further(port: Port) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    tracemalloc.start()
    async with wire(port.number) as connection:
        await connection.send(port.head(CHUNKED))
        for _ in range(MAX_BODY // 65_536 + 2):
            await connection.send(chunk)
        assert await connection.status() == 413
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MAX_BODY
    assert await answers_others(port.number)


async def test_without_a_token_no_body_is_read(port: Port) -> None:
    async with wire(port.number) as connection:
        await connection.send(port.head("Content-Length: 1000000", token=False))
        assert await connection.status() == 401


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_a_small_body_that_unpacks_to_a_huge_one_is_too_large_and_never_held(
    port: Port, coding: str
) -> None:
    packs = {"gzip": gzip.compress, "br": lambda data: brotli.compress(data, quality=1)}
    bomb = packs[coding](bytes(100_000_000))
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    status = await asked(port, port.request(bomb, f"Content-Encoding: {coding}"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 413
    assert peak < 5 * MAX_BODY


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(GOOD * 100, mtime=0)[:-9], "gzip", 400),
        (gzip.compress(GOOD, mtime=0)[:-4] + b"\0\0\0\0", "gzip", 400),
        (b"\xff\xff", "deflate", 400),
        (b"\xff\xff", "br", 400),
        (GOOD, "zstd", 415),
        (GOOD, "nonsense", 415),
        (GOOD, "gzip, gzip", 415),
        (b"", "gzip", 400),
    ],
    ids=["no-gzip", "cut", "checksum", "no-deflate", "no-br", "zstd", "nonsense", "twice", "empty"],
)
async def test_a_body_that_is_not_packed_as_it_says_is_refused(
    port: Port, body: bytes, coding: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A part of one is never taken for the whole."""
    assert await asked(port, port.request(body, f"Content-Encoding: {coding}")) == status
    assert [line for line in caplog.records if line.exc_info] == []


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"title":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 5_000_000,
        b'{"title":1e99999}',
        b'{"title":' + b"9" * 1_000_000 + b"}",
        b'{"title":-0.0000000000000000000000000000000000000000000000000001e-99999}',
        rb'{"title":"\ud800"}',
        rb'{"title":"\udc00\ud800"}',
        b'{"title":"\xed\xa0\x80"}',
        b'{"title":"a\x00b"}',
        b'{"title":"\xff"}',
        b'{"title":NaN}',
        b"\xef\xbb\xbf{}",
        b"",
        b" " * 1_000_000,
        b"\x00",
        b"null",
        b"[]",
        b'"' + b"\\u0000" * 100_000 + b'"',
        b"[" + b"0," * 4_000_000 + b"0]",
        b"[" + b"{}," * 3_000_000 + b"{}]",
        b"{" + b",".join(b'"%d":0' % n for n in range(500_000)) + b"}",
        b'{"url":{' + b",".join(b'"%d":0' % n for n in range(500_000)) + b"}}",
        b'{"media":[' + b'{"x":0},' * 500_000 + b"0]}",
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_json_of_any_shape_gets_a_short_answer(port: Port, body: bytes) -> None:
    answer = await said(port.number, port.request(body))
    [status] = statuses(answer)
    assert status in (200, 400, 413, 422)
    assert len(answer) < 200_000
    assert await answers_others(port.number)
