"""Documents as they arrive: their kinds and their charsets."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline.errors import InvalidInputError
from slugline.web.problems import Problem
from slugline_ingest.documents import extractor_for, sniff, text_of_document


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"Storm live\nFerries stay in port\n", "text/plain"),
        (b"\xef\xbb\xbfStorm live", "text/plain"),
        ("Storm live".encode("utf-16"), "text/plain"),
        (b"[LIVE] Storm Nadia: ferries stay in port", "text/plain"),
        (b"< Back to all news\nStorm live", "text/plain"),
        (b"{Breaking} Storm Nadia", "text/plain"),
        (b"<!DOCTYPE html><html>", "text/html"),
        (b"\n  <div>Storm</div>", "text/html"),
        (b"<?xml version='1.0'?><rss/>", "application/xml"),
        (b"<RSS version='2.0'>", "application/xml"),
        (b'{"entries": []}', "application/json"),
        (b'[ {"title": "Storm"}]', "application/json"),
        (b"[]", "application/json"),
        (b"%PDF-1.7\x00\x01", "application/octet-stream"),
    ],
)
def test_the_kind_is_told_by_the_first_bytes(data: bytes, kind: str) -> None:
    assert sniff(data) == kind


def test_a_kind_that_is_not_read_is_refused_by_its_name() -> None:
    with pytest.raises(Problem, match="application/pdf"):
        extractor_for("application/pdf", b"Storm live")


@pytest.mark.parametrize("kind", ["", "application/octet-stream"])
def test_without_a_kind_the_bytes_decide(kind: str) -> None:
    assert "text/plain" in extractor_for(kind, b"Storm live").media_types
    with pytest.raises(Problem, match="application/octet-stream"):
        extractor_for(kind, b"\x00\x01\x02")


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("“Rain”".encode(), None, "“Rain”"),
        ("\ufeff“Rain”".encode(), "utf-8", "“Rain”"),
        ("“Rain”".encode("utf-16"), None, "“Rain”"),
        ("“Rain”".encode("windows-1252"), "windows-1252", "“Rain”"),
        ("“Rain”".encode("windows-1252"), "ISO-8859-1", "“Rain”"),
        (b"a\r\nb\rc\x00\x07", None, "a\nb\nc"),
    ],
)
def test_text_is_decoded_and_control_characters_are_dropped(
    data: bytes, charset: str | None, text: str
) -> None:
    assert text_of_document(data, charset) == text


@pytest.mark.parametrize("data", [b"", b" \r\n\t ", b"\x00\x07", b"\xef\xbb\xbf\n"])
def test_a_document_without_text_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"empty|no text"):
        text_of_document(data)


def test_bytes_that_are_not_of_the_charset_are_refused_with_their_place() -> None:
    with pytest.raises(InvalidInputError, match="byte 4 is not utf-8"):
        text_of_document(b"Rain\xff")


@pytest.mark.parametrize(
    "charset", ["klingon", "base64", "undefined", "utf\x00", "idna", "punycode"]
)
def test_a_charset_that_is_none_is_refused(charset: str) -> None:
    with pytest.raises(InvalidInputError):
        text_of_document(b"Rain\xff", charset)


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "utf-16", "windows-1252", "utf-7"]))
def test_no_bytes_raise_anything_else(data: bytes, charset: str | None) -> None:
    with suppress(InvalidInputError):
        assert text_of_document(data, charset).strip()
