"""Conditional requests and content codings (RFC 9110), for feeds and pages alike."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

#: A third of the time of zlib's default level, for a twelfth more bytes: 400 kB in some 5 ms.
GZIP_LEVEL = 4


class Representation:
    """One text as it is served: its bytes under each content coding, each with a strong entity tag.

    Same arguments, same bytes, tags and headers; what an answer needs is worked out once.
    """

    __slots__ = ("_changed", "_full", "_gzip", "_identity", "_tags", "_unchanged")

    def __init__(
        self, body: bytes, tag: str, changed: datetime | None, headers: Mapping[str, str]
    ) -> None:
        """*tag* names these bytes; *changed* (None: unknown) is when they last did.

        *headers* are those of every answer; `Content-Type` is left out of a 304.
        """
        self._identity = body
        self._gzip: bytes | None = None
        self._changed = changed
        self._tags = (f'"{tag}-identity"', f'"{tag}-gzip"')
        common = {**headers, "Vary": "Accept-Encoding"}
        if changed is not None:
            common["Last-Modified"] = http_date(changed)
        zipped = {"Content-Encoding": "gzip"}
        self._full = tuple(
            _frozen({**common, "ETag": tag, **more})
            for tag, more in zip(self._tags, ({}, zipped), strict=True)
        )
        common.pop("Content-Type", None)
        self._unchanged = tuple(_frozen({**common, "ETag": tag}) for tag in self._tags)

    @property
    def size(self) -> int:
        """How many bytes of memory it holds, about."""
        return len(self._identity) * (1 if self._gzip is None else 2)

    @property
    def tag(self) -> str:
        """The entity tag of the bytes without a content coding."""
        return self._tags[0]

    @property
    def body(self) -> bytes:
        """The bytes without a content coding."""
        return self._identity

    def answer(self, request: web.Request) -> web.Response:
        """200 with the bytes under the coding that *request* prefers, or 304 where it has them."""
        zipped = accepts_gzip(request)
        if is_unchanged(request, self._tags[zipped], self._changed):
            return web.Response(status=304, headers=self._unchanged[zipped])
        body = self._zipped() if zipped else self._identity
        return web.Response(body=body, headers=self._full[zipped])

    def _zipped(self) -> bytes:
        if self._gzip is None:
            self._gzip = gzip.compress(self._identity, GZIP_LEVEL, mtime=0)
        return self._gzip


def redirect(status: int, location: str) -> web.Response:
    """The answer that sends a client to *location*."""
    return web.Response(status=status, headers={"Location": str(URL(location))})


def _frozen(headers: Mapping[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(headers))


@lru_cache(maxsize=1024)
def http_date(instant: datetime) -> str:
    """*instant* as an HTTP date (whole seconds, GMT)."""
    return format_datetime(instant.astimezone(UTC).replace(microsecond=0), usegmt=True)


def accepts_gzip(request: web.Request) -> bool:
    """Whether gzip may be sent (section 12.5.3), quality values regarded."""
    return _prefers_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))


@lru_cache(maxsize=1024)
def _prefers_gzip(accepted: str) -> bool:
    qualities: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, _, parameters = part.strip().partition(";")
        qualities[coding.strip()] = _quality(parameters)
    wanted = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)


def _quality(parameters: str) -> float:
    if not parameters.strip():
        return 1.0
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def is_unchanged(request: web.Request, etag: str, changed: datetime | None) -> bool:
    """Whether the client has what it asks for: by its entity tags, and only without any by its date.

    If-None-Match is a list or `*` and compared weakly (section 13.1.2): caches on the way make
    strong tags weak.
    """
    tags = request.headers.getall(hdrs.IF_NONE_MATCH, ())
    if tags:
        if tags[0] == etag:  # as nearly all that have it say
            return True
        given = {tag.strip().removeprefix("W/") for line in tags for tag in line.split(",")}
        return "*" in given or etag in given
    since = request.headers.getall(hdrs.IF_MODIFIED_SINCE, ())
    if changed is None or len(since) != 1:
        return False
    date = _http_date(since[0])
    return date is not None and changed.replace(microsecond=0) <= date


def _http_date(text: str) -> datetime | None:
    """The inverse of `http_date`, in all three formats of section 5.6.7; None for anything else."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser's, for what is no date
        return None
