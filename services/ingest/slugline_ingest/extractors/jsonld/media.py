"""Media of an entry: images, videos and sounds, in all the forms in which pages name them."""

import re
from collections.abc import Iterator
from typing import Any

from slugline.entry import Media, MediaKind
from slugline_ingest.extractors.jsonld.fields import MANY, address_of, line_of, names_of
from slugline_ingest.extractors.jsonld.graph import Node, types_of

#: Where media stand, and what they are where nothing says so.
_KEYS = {
    "image": MediaKind.IMAGE,
    "video": MediaKind.VIDEO,
    "audio": MediaKind.AUDIO,
    "associatedMedia": MediaKind.IMAGE,
}
_TYPES = {
    "ImageObject": MediaKind.IMAGE,
    "VideoObject": MediaKind.VIDEO,
    "AudioObject": MediaKind.AUDIO,
}
_PIXELS = re.compile(r"\s*(\d{1,5})(?:\.0+)?\s*(?:px)?\s*")


def media_of(node: Node, base: str | None) -> tuple[Media, ...]:
    """The media of an entry, each once."""
    found: dict[str | None, Media] = {}
    for key, kind in _KEYS.items():
        for value in _each(node.get(key)):
            medium = _medium(value, kind, base)
            if medium:
                found.setdefault(medium.url, medium)
    return tuple(found.values())[:MANY]


def _each(value: Any) -> Iterator[Any]:
    stack = [value]
    for _ in range(1_000):
        if not stack:
            return
        each = stack.pop()
        if isinstance(each, list):
            stack += reversed(each)
        elif each:
            yield each


def _medium(value: Any, kind: MediaKind, base: str | None) -> Media | None:
    if not isinstance(value, dict):
        address = address_of(value, base)
        return Media(url=address, kind=kind) if address else None
    kind = next((_TYPES[name] for name in types_of(value) if name in _TYPES), kind)
    address, kind = _address(value, kind, base)
    name, caption = line_of(value.get("name")), line_of(value.get("caption"))
    described = caption or line_of(value.get("description")) or name
    if not address and not described:
        return None
    return Media(
        url=address,
        kind=kind,
        width=_pixels(value.get("width")),
        height=_pixels(value.get("height")),
        alt=line_of(value.get("alternateName")) or (name if name != described else ""),
        caption=described,
        credit=line_of(value.get("creditText"))
        or ", ".join(names_of(value.get("creator") or value.get("author"))),
    )


def _address(value: Node, kind: MediaKind, base: str | None) -> tuple[str | None, MediaKind]:
    """The file itself; else the player that embeds it; else, of a video, its still."""
    file = address_of(value.get("contentUrl"), base)
    player = address_of(value.get("embedUrl"), base)
    page = address_of(value.get("url"), base) or address_of(value.get("@id"), base)
    if file:
        return file, kind
    if kind is not MediaKind.IMAGE and (player or page):
        return player or page, MediaKind.EMBED
    still = address_of(value.get("thumbnailUrl") or value.get("thumbnail"), base)
    return (page, kind) if page else (still, MediaKind.IMAGE)


def _pixels(value: Any) -> int | None:
    if isinstance(value, dict):
        value = value.get("value")
    match = _PIXELS.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    return int(match.group(1)) or None if match else None
