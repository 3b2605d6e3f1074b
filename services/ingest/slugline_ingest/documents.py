"""Documents as they arrive: which kind they are, and their text."""

import re

from aiohttp import web

from slugline.errors import InvalidInputError, Mistake
from slugline.web.problems import Problem
from slugline_ingest.extractors import Extractor
from slugline_ingest.extractors.jsonld import LINKED_DATA, JsonLdExtractor
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.fetching.charset import known_charset, stated_charset
from slugline_ingest.sanitise import clean_text

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_XML = re.compile(rb"<(?:\?xml|rss|feed)\b", re.IGNORECASE)
_PAGE = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_HTML = re.compile(rb"<[a-z!/]", re.IGNORECASE)
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"\]]")


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
    """The kind of document that *data* begins like; text that begins with `[` or `<` is text."""
    if data.startswith(_UTF_16):
        return "text/plain"
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _PAGE.search(start) and start.startswith(b"<"):
        return "text/html"
    if _XML.match(start):
        return "application/xml"
    if _HTML.match(start):
        return "text/html"
    if _JSON.match(start):
        return LINKED_DATA if b'"@' in start else "application/json"
    return "application/octet-stream" if b"\x00" in start else "text/plain"


def text_of_document(data: bytes, charset: str | None = None) -> str:
    """*data* decoded, without control characters. Raises InvalidInputError for what cannot be read."""
    if not data.strip():
        raise InvalidInputError(Mistake("", "the document is empty; send the page's text"))
    cleaned = clean_text(_decoded(data, charset).removeprefix("\ufeff"))
    if not cleaned.strip():
        raise InvalidInputError(Mistake("", "the document holds no text"))
    return cleaned


def _decoded(data: bytes, charset: str | None) -> str:
    stated = (charset or stated_charset(data) or "utf-8").strip()
    name = "utf-16" if data.startswith(_UTF_16) else known_charset(stated)
    if not name:
        raise InvalidInputError(Mistake("charset", f"{stated!r} is not known; send UTF-8"))
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not {error.encoding}; name the charset in Content-Type, or send UTF-8"
        raise InvalidInputError(Mistake("", message)) from error


def location_of(request: web.Request) -> str | None:
    """The page's address by Content-Location, against which its links are resolved."""
    location = request.headers.get("Content-Location")
    if location and not location.startswith(("http://", "https://")):
        raise InvalidInputError(Mistake("Content-Location", "give the page's absolute address"))
    return location
