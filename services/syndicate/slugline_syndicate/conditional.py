"""Conditional requests and content codings (RFC 9110), for feeds and pages alike."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web


def http_date(instant: datetime) -> str:
    """*instant* as an HTTP date (whole seconds, GMT)."""
    return format_datetime(instant.astimezone(UTC).replace(microsecond=0), usegmt=True)


def accepts_gzip(request: web.Request) -> bool:
    """Whether gzip may be sent (section 12.5.3), quality values regarded."""
    qualities: dict[str, float] = {}
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = part.strip().partition(";")
        qualities[coding.strip()] = _quality(parameters)
    wanted = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def is_unchanged(request: web.Request, etag: str, changed: datetime) -> bool:
    """Whether the client has what it asks for: by its entity tags, and only without any by its date.

    If-None-Match is a list or `*` and compared weakly (section 13.1.2): caches on the way make
    strong tags weak.
    """
    tags = request.headers.getall("If-None-Match", [])
    if tags:
        given = {tag.strip().removeprefix("W/") for line in tags for tag in line.split(",")}
        return "*" in given or etag in given
    since = request.headers.get("If-Modified-Since")
    if not since:
        return False
    try:
        date = parsedate_to_datetime(since)
    except ValueError:
        return False
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return changed.replace(microsecond=0) <= date
