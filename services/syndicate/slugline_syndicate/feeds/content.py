"""What an entry shows in a feed: a title that is never empty, and its HTML with all that belongs to it."""

import re
from collections.abc import Iterator
from html import escape

from slugline.entry import Entry, Media, MediaKind, Related

#: The longest derived title, in characters.
TITLE = 90
#: The longest HTML of one entry, in characters: what is longer shows its beginning and a link, so
#: that one entry never pushes the others out of a feed.
LONGEST = 100_000
#: How much of the text of such an entry is shown, in characters.
BEGINNING = 2_000

WITHDRAWN_TITLE = "Withdrawn"
WITHDRAWN_HTML = "<p>This entry was withdrawn.</p>"

#: XML 1.0 section 2.2: what no document may hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
#: A picture, a rule, or a character outside of tags that is no blank: finds the first and stops.
_SHOWN = re.compile(r"<(?:img|hr)\b|(?:\A|>)(?:\s|&nbsp;)*(?!&nbsp;)[^<\s]", re.IGNORECASE)


def xml_text(text: str) -> str:
    """*text* without characters that XML has no place for: one of them would fail a whole feed."""
    return _NOT_XML.sub("", text)


def xml_texts(texts: tuple[str, ...]) -> list[str]:
    """*texts* by `xml_text`, without those that say nothing."""
    return [clean for text in texts if (clean := xml_text(text).strip())]


def title_of(entry: Entry) -> str:
    """The entry's heading; without one its first sentence, else a caption, else when it was published."""
    if entry.withdrawn:
        return WITHDRAWN_TITLE
    found = (" ".join(xml_text(text).split()) for text in _titles(entry))
    return next((title for title in found if title), f"{entry.published:%H:%M} UTC")


def _titles(entry: Entry) -> Iterator[str]:
    yield entry.title or ""
    yield _first_sentence(entry.body_text)
    yield _first_sentence(entry.summary)
    for medium in entry.media:
        yield _first_sentence(medium.caption)
        yield _first_sentence(medium.alt)
    for related in entry.related:
        yield related.title


def _first_sentence(text: str) -> str:
    sentence = _SENTENCE.split(xml_text(text).strip(), maxsplit=1)[0]
    return shortened(sentence, TITLE)


def shortened(text: str, most: int) -> str:
    """*text* in at most *most* characters, cut between words and marked as cut."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(None, 1)[0] + "…"


def html_of(entry: Entry, url: str) -> str:
    """The entry whole: its text, its media with captions, its related stories. Never empty.

    *url* is where it can be read.
    """
    if entry.withdrawn:
        return WITHDRAWN_HTML
    parts = [
        entry.body_html or paragraph(entry.summary),
        *(figure(medium) for medium in entry.media),
        related_html(entry.related),
    ]
    whole = xml_text("\n".join(part for part in parts if part))
    if len(whole) > LONGEST:
        return _beginning(entry, url)
    return whole if _SHOWN.search(whole) else paragraph(title_of(entry))


def _beginning(entry: Entry, url: str) -> str:
    text = shortened(xml_text(entry.body_text or title_of(entry)), BEGINNING)
    return f'{paragraph(text)}<p><a href="{escape(url)}">Read the whole entry</a></p>'


def paragraph(text: str) -> str:
    """*text* as HTML; "" for none."""
    return f"<p>{escape(text, quote=False)}</p>" if text else ""


def figure(medium: Media) -> str:
    """A medium with its caption and credit; "" where it shows neither."""
    words = " ".join(
        part for part in (medium.caption, f"({medium.credit})" if medium.credit else "") if part
    )
    caption = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    shown = _shown(medium)
    return f"<figure>{shown}{caption}</figure>" if shown or caption else ""


def _shown(medium: Media) -> str:
    if medium.url is None:
        return ""
    url = escape(medium.url)
    if medium.kind is MediaKind.IMAGE:
        sizes = (("width", medium.width), ("height", medium.height))
        size = "".join(f' {name}="{value}"' for name, value in sizes if value)
        return f'<img src="{url}" alt="{escape(medium.alt)}"{size}>'
    return f'<a href="{url}">{escape(medium.alt or medium.url)}</a>'


def related_html(related: tuple[Related, ...]) -> str:
    """The related stories as a list."""
    if not related:
        return ""
    items = "".join(f"<li>{_card(item)}</li>" for item in related)
    return f"<ul>{items}</ul>"


def _card(item: Related) -> str:
    title = escape(item.title)
    linked = (
        f'<a href="{escape(item.link)}">{title}</a>' if item.link else f"<strong>{title}</strong>"
    )
    return f"{linked}<br>{escape(item.summary)}" if item.summary else linked
