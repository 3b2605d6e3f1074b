"""Documents as they arrive: which kind they are, and their text."""

from aiohttp import web

from slugline.errors import InvalidInputError, Mistake
from slugline.web.problems import Problem
from slugline_ingest.extractors import Extractor
from slugline_ingest.extractors.jsonld import LINKED_DATA, JsonLdExtractor
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.fetching.charset import stated_charset
from slugline_ingest.sanitise import clean_text


def extractors_by_type() -> dict[str, Extractor]:
    """Every extractor by the media types that it takes."""
    extractors: tuple[Extractor, ...] = (FlatTextExtractor(), JsonLdExtractor())
    return {kind: extractor for extractor in extractors for kind in extractor.media_types}


def extractor_for(kind: str, data: bytes) -> Extractor:
    """The extractor for *kind*; looked for in *data* where that is only bytes. Raises Problem 415."""
    known = extractors_by_type()
    kind = sniff(data) if kind in ("application/octet-stream", "application/json", "") else kind
    if kind not in known:
        detail = f"{kind} is not a kind of document that this version reads; it reads {', '.join(known)}."
        raise Problem(415, "Unknown kind of document", detail)
    return known[kind]


def sniff(data: bytes) -> str:
    """The kind of document that *data* begins like."""
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<!doctype html" in start or b"<html" in start:
        return "text/html"
    if start.startswith((b"<?xml", b"<rss", b"<feed")):
        return "application/xml"
    if start.startswith(b"<"):
        return "text/html"
    if start.startswith((b"{", b"[")):
        return LINKED_DATA if b'"@' in start else "application/json"
    return "application/octet-stream" if b"\x00" in start else "text/plain"


def text_of_document(data: bytes, charset: str | None = None) -> str:
    """*data* decoded, without control characters. Raises InvalidInputError for what cannot be read."""
    if not data.strip():
        raise InvalidInputError(Mistake("", "the document is empty; send the page's text"))
    try:
        text = data.decode(charset or stated_charset(data) or "utf-8")
    except LookupError:
        raise InvalidInputError(
            Mistake("charset", f"{charset!r} is not known; send UTF-8")
        ) from None
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not {error.encoding}; name the charset in Content-Type, or send UTF-8"
        raise InvalidInputError(Mistake("", message)) from error
    cleaned = clean_text(text.removeprefix("\ufeff"))
    if not cleaned.strip():
        raise InvalidInputError(Mistake("", "the document holds no text"))
    return cleaned


def location_of(request: web.Request) -> str | None:
    """The page's address by Content-Location, against which its links are resolved."""
    location = request.headers.get("Content-Location")
    if location and not location.startswith(("http://", "https://")):
        raise InvalidInputError(Mistake("Content-Location", "give the page's absolute address"))
    return location
