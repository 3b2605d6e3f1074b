"""Fetching: documents from where a newsroom has them, by HTTP or from a folder.

Expected failures are data: whoever fetches decides nothing by exceptions.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

#: The largest document that is taken, in bytes after decompression.
LARGEST = 10_000_000


class Trouble(StrEnum):
    """What kept a document from being read: what metrics count and logs tell apart."""

    NOT_FOUND = "not-found"
    GONE = "gone"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    BAD_ANSWER = "bad-answer"
    REFUSED = "refused"
    TOO_LARGE = "too-large"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    UNREADABLE = "unreadable"
    LOG_AWAY = "log-away"
    BLOG_REMOVED = "blog-removed"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What one address said of the version that it gave (RFC 9110 section 8.8)."""

    address: str
    etag: str = ""
    last_modified: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything to ask with."""
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document as it came. *kind* is its media type, "" where none was stated; so with *charset*.

    *location* is the address that it came from after redirects; None for a file.
    """

    data: bytes
    validators: Validators
    kind: str = ""
    charset: str = ""
    location: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The document is what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No document; *reason* is one line that says what to do. *retry_after* is what the server asked for."""

    trouble: Trouble
    reason: str
    status: int | None = None
    retry_after: timedelta | None = None


Fetch = Fetched | NotModified | Failed


class Fetcher(Protocol):
    """Fetches documents."""

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        """The document at *url*, unless it is the one that *known* is of. Raises nothing that is expected."""
        ...
