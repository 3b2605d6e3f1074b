"""Parsers of what strangers send: webhook answers and pages; nothing makes them fail."""

import asyncio
import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slugline.errors import InvalidInputError
from slugline_ingest.documents import extractor_for, text_of_document
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.jsonld import JsonLdExtractor
from slugline_syndicate.deliveries.http1 import (
    Connection,
    Limits,
    LostConnectionError,
    ProtocolFaultError,
    Reply,
)
from tests.builders import NOON
from tests.hostile.test_codecs import JSON, damaged

LIMITS = Limits(head=400, body=200)

#: Pieces of answers, whole ones and such as nobody should send.
PIECES = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 503\r\n", b"HTTP/1.1 999 ?\r\n"),
    *(b"HTTP/1.1 101 Switching\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/2 200\r\n", b"ICY 200 OK\r\n"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"),
    *(b"Retry-After: 5\r\n", b"Retry-After: \xff\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
    *(b"\r\n", b"\n", b" ", b":", b"\x00", b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n"),
    *(b"X: " + b"a" * 500 + b"\r\n", b"a" * 300),
]  # fmt: skip


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return 0


async def replied(pieces: list[bytes]) -> Reply | Exception:
    """What *pieces*, one after the other and then the end, are as an answer."""
    connection = Connection("http://x/", LIMITS)
    wire = Wire()
    connection.connection_made(wire)
    exchange = asyncio.ensure_future(connection.exchange(b"POST / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for piece in pieces:
        if not wire.aborted:
            connection.data_received(piece)
    connection.connection_lost(None)
    try:
        return await exchange
    except (ProtocolFaultError, LostConnectionError) as error:
        return error


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=50), max_size=12), st.booleans())
@settings(max_examples=1_000)
def test_any_bytes_are_an_answer_a_fault_or_a_lost_connection(
    pieces: list[bytes], together: bool
) -> None:
    found = asyncio.run(replied([b"".join(pieces)] if together else pieces))
    if isinstance(found, Reply):
        assert 200 <= found.status <= 999
    else:
        assert "\n" not in str(found)


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(0, 400), max_size=8))
@settings(max_examples=500)
def test_how_an_answer_is_cut_into_packets_does_not_change_its_status(
    pieces: list[bytes], cuts: list[int]
) -> None:
    whole = b"".join(pieces)
    at = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    cut = [whole[a:b] for a, b in pairwise(at) if a < b]
    once, again = asyncio.run(replied([whole])), asyncio.run(replied(cut))
    if isinstance(once, Reply) and isinstance(again, Reply):
        assert once == again


# --- documents --------------------------------------------------------------------------------------

SAMPLES = sorted((Path(__file__).parents[1] / "data" / "jsonld").glob("*.html"))
SCRIPT = re.compile(r"(<script[^>]*application/ld\+json[^>]*>)(.*?)(</script>)", re.DOTALL)


def extract(text: str) -> None:
    """What a running service does with a page; entries are whole, and times are aware."""
    snapshot = JsonLdExtractor().extract(Document(text=text, received=NOON))
    for item in snapshot.entries:
        assert item.published is None or item.published.tzinfo


def linked(value: bytes) -> str:
    """A page with *value* as its JSON-LD."""
    return (
        f'<html><script type="application/ld+json">{value.decode(errors="replace")}</script></html>'
    )


@given(st.data())
@settings(max_examples=300)
def test_damaged_linked_data_never_makes_a_page_fail(data: st.DataObject) -> None:
    blog = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "headline": "Storm",
        "coverageStartTime": "2026-11-22T10:00:00Z",
        "liveBlogUpdate": [
            {
                "@type": "BlogPosting",
                "@id": "#e1",
                "headline": "Ferry",
                "articleBody": "It stays in port.",
                "datePublished": "2026-11-22T11:00:00+01:00",
                "author": [{"@type": "Person", "name": "Mara"}],
                "image": {"@type": "ImageObject", "url": "https://x.example/i.jpg", "width": 5},
            }
        ]
        * 2,
    }
    extract(linked(data.draw(damaged(orjson.dumps(blog)))))


@given(JSON.map(orjson.dumps) | st.binary(max_size=200))
@settings(max_examples=300)
def test_no_linked_data_makes_a_page_fail(value: bytes) -> None:
    extract(linked(value))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=30)
def test_no_cut_page_makes_it_fail(sample: Path, data: st.DataObject) -> None:
    text = sample.read_text("utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(0, len(text)))
    extract(
        text[start:] + data.draw(st.sampled_from(["", "\0", "<", "]]>", "\ud800"])) + text[:end]
    )


@given(st.binary(max_size=400), st.sampled_from(["text/plain", "text/html"]))
@settings(max_examples=300)
def test_no_bytes_make_a_document_fail(data: bytes, kind: str) -> None:
    """They are a snapshot, or are refused as invalid."""
    with suppress(InvalidInputError):
        text = text_of_document(data)
        extractor_for(kind, data).extract(Document(text=text, received=NOON))
