"""Media as enclosures: only what is a file of a known kind."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from slugline.entry import Entry, MediaKind
from slugline_syndicate.feeds.content import xml_text

#: By the end of the path. The library's `mimetypes` reads tables of the machine, and a feed's bytes
#: must not depend on where they are made.
TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
}


def enclosures(entry: Entry) -> Iterator[tuple[str, str]]:
    """URL and media type of each file that belongs to *entry*; an embed is a page, not a file."""
    for medium in entry.media:
        kind = media_type(medium.url) if medium.url else None
        if medium.url and kind and medium.kind is not MediaKind.EMBED:
            yield xml_text(medium.url), kind


def media_type(url: str) -> str | None:
    """The media type that *url* looks like, or None."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return TYPES.get(path.rpartition(".")[2].lower())
