"""Extractors: each turns one kind of document into a snapshot."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from slugline_ingest.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as it arrived: its decoded *text*, and what is needed to place its times.

    *timezone* is the IANA name of the zone of bare times; *received* is aware. *location* is the
    page's URL, against which relative links are resolved, or None.
    """

    text: str
    received: datetime
    timezone: str = "UTC"
    location: str | None = None


class Extractor(Protocol):
    """One kind of document. Pure: the same document gives the same snapshot."""

    #: The media types that it takes, such as `text/plain`.
    media_types: tuple[str, ...]

    def extract(self, document: Document) -> Snapshot:
        """What *document* holds; no entry at all rather than nonsense."""
        ...
