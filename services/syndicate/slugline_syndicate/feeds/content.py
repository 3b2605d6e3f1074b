"""What an entry shows in a feed: a title that is never empty, and its HTML with all that belongs to it."""

import re
from html import escape

from slugline.entry import Entry, Media, MediaKind, Related

#: The longest derived title, in characters.
TITLE = 90

WITHDRAWN_TITLE = "Withdrawn"
WITHDRAWN_HTML = "<p>This entry was withdrawn.</p>"

#: XML 1.0 section 2.2: what no document may hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n")


def xml_text(text: str) -> str:
    """*text* without characters that XML has no place for: one of them would fail a whole feed."""
    return _NOT_XML.sub("", text)


def title_of(entry: Entry) -> str:
    """The entry's heading; without one its first sentence, else a caption, else when it was published."""
    if entry.withdrawn:
        return WITHDRAWN_TITLE
    derived = entry.title or _first_sentence(entry.body_text) or _first_sentence(entry.summary)
    for medium in entry.media:
        derived = derived or _first_sentence(medium.caption or medium.alt)
    for related in entry.related:
        derived = derived or related.title
    return xml_text(derived).strip() or f"{entry.published:%H:%M} UTC"


def _first_sentence(text: str) -> str:
    sentence = _SENTENCE.split(text.strip(), maxsplit=1)[0]
    if len(sentence) <= TITLE:
        return sentence
    return sentence[:TITLE].rsplit(" ", 1)[0] + "…"


def html_of(entry: Entry) -> str:
    """The entry whole: its text, its media with captions, its related stories. Never empty."""
    if entry.withdrawn:
        return WITHDRAWN_HTML
    parts = [entry.body_html, *(figure(m) for m in entry.media), related_html(entry.related)]
    whole = "\n".join(part for part in parts if part)
    return xml_text(whole) or f"<p>{escape(title_of(entry))}</p>"


def figure(medium: Media) -> str:
    """A medium with its caption and credit."""
    words = " ".join(
        part for part in (medium.caption, f"({medium.credit})" if medium.credit else "") if part
    )
    caption = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    return f"<figure>{_shown(medium)}{caption}</figure>"


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
