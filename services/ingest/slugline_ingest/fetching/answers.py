"""Answers that bring no document: what they mean, and when to ask again."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aiohttp import ClientResponse

from slugline_ingest.fetching import Failed, Trouble, Validators

#: Longer than this nobody is kept waiting.
LONGEST_WAIT = timedelta(hours=24)
#: A document that is older than this has the validators that it keeps.
SETTLED = timedelta(seconds=2)

_REDIRECTS = (301, 302, 303, 307, 308)
_BY_STATUS = {404: Trouble.NOT_FOUND, 410: Trouble.GONE, 429: Trouble.THROTTLED}
_HINTS = {
    401: "it wants a login: sources are read without one",
    403: "it refuses us: ask its operators to let this service read it",
    404: "check the address",
    410: "it will not come back: remove the source",
    429: "it is asked too often: choose a longer interval",
}


def is_redirect(answer: ClientResponse) -> bool:
    """Whether *answer* names another address to ask."""
    return answer.status in _REDIRECTS and "Location" in answer.headers


def failure_of(answer: ClientResponse, now: datetime) -> Failed:
    """What an *answer* without a document means."""
    status = answer.status
    trouble = Trouble.SERVER_ERROR if status >= 500 else Trouble.BAD_ANSWER
    hint = _HINTS.get(status)
    return Failed(
        trouble=_BY_STATUS.get(status, trouble),
        reason=f"answered {status}" + (f"; {hint}" if hint else ""),
        status=status,
        retry_after=retry_after(answer.headers.get("Retry-After", ""), now),
    )


def validators_of(answer: ClientResponse, address: str) -> Validators:
    """By what the next request may ask whether the document has changed.

    One that was modified a moment ago may be modified again within the same second, and many servers
    make both validators of that second (RFC 9110 section 8.8.2.2): then there is nothing to ask by.
    """
    stated = answer.headers.get("Last-Modified", "")
    modified, sent = _date(stated), _date(answer.headers.get("Date", ""))
    if modified and (sent is None or sent - modified < SETTLED):
        return Validators(address=address)
    etag = answer.headers.get("ETag", "")
    return Validators(address=address, etag=etag, last_modified=stated if modified else "")


def retry_after(stated: str, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for (RFC 9110 section 10.2.3), seconds or a date; a day at most."""
    text = stated.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    until = _date(text)
    return min(max(until - now, timedelta(0)), LONGEST_WAIT) if until else None


def _date(stated: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(stated)
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser's, for what is no date
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
