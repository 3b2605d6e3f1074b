"""RSS 2.0 and the RSS Best Practices Profile, as far as they can be checked in a document."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from lxml import etree, html

ATOM = "{http://www.w3.org/2005/Atom}"
DC = "{http://purl.org/dc/elements/1.1/}"

#: RFC 822 with a four-digit year and a zone that is GMT or numeric, one blank between the parts.
DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"\d{4} \d{2}:\d{2}:\d{2} (GMT|[+-]\d{4})"
)
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

CHANNEL = frozenset(
    [
        "title",
        "link",
        "description",
        "language",
        "copyright",
        "managingEditor",
        "webMaster",
        "pubDate",
        "lastBuildDate",
        "category",
        "generator",
        "docs",
        "cloud",
        "ttl",
        "image",
        "rating",
        "textInput",
        "skipHours",
        "skipDays",
        "item",
    ]
)
ITEM = frozenset(
    [
        "title",
        "link",
        "description",
        "author",
        "category",
        "comments",
        "enclosure",
        "guid",
        "pubDate",
        "source",
    ]
)
REPEATABLE = frozenset(["category", "item", "enclosure"])

#: What an HTML description must not hold.
UNSAFE = frozenset(["script", "style", "iframe", "object", "embed", "form", "meta", "link"])


def broken_rules(document: bytes) -> list[str]:
    """One line for each rule that *document* breaks."""
    root = etree.fromstring(document)
    channels = root.findall("channel")
    if root.tag != "rss" or root.get("version") != "2.0" or len(channels) != 1:
        return ["the document is <rss version='2.0'> with one channel"]
    channel = channels[0]
    items = channel.findall("item")
    found = [*_channel(channel), *_namespaces(document), *_titles(document)]
    for item in items:
        name = item.findtext("guid") or item.findtext("title") or "?"
        found += [f"{name}: {rule}" for rule in _item(item)]
    guids = [item.findtext("guid") for item in items]
    if len(set(guids)) != len(guids):
        found.append("no guid occurs twice")
    return found


def _channel(channel: etree._Element) -> Iterator[str]:
    for required in ("title", "link", "description"):
        if not (channel.findtext(required) or "").strip():
            yield f"the channel has a {required}"
    yield from _known(channel, CHANNEL)
    yield from _url(channel, "link")
    yield from _date(channel, "lastBuildDate")
    yield from _date(channel, "pubDate")
    yield from _matches(channel, "language", LANGUAGE.fullmatch)
    yield from _matches(channel, "ttl", str.isdigit)
    links = [link for link in channel.findall(f"{ATOM}link") if link.get("rel") == "self"]
    if len(links) != 1 or links[0].get("type") != "application/rss+xml":
        yield "the channel has one atom:link to itself, with its type"
    if links and links[0].get("href") == channel.findtext("link"):
        yield "the channel's link is the page, not the feed"
    positions = [child.tag == "item" for child in channel]
    if positions != sorted(positions):
        yield "items come after the channel's other elements"


def _item(item: etree._Element) -> Iterator[str]:
    yield from _known(item, ITEM)
    for required in ("title", "description", "guid", "link", "pubDate"):
        if not (item.findtext(required) or "").strip():
            yield f"an item has a {required}"
    yield from _url(item, "link")
    yield from _date(item, "pubDate")
    guid = item.find("guid")
    if guid is not None and guid.get("isPermaLink") != "false":
        yield "a guid that is no URL says isPermaLink='false'"
    if len(item.findall("enclosure")) > 1:
        yield "an item has one enclosure at most"
    for enclosure in item.findall("enclosure"):
        complete = (enclosure.get("length") or "").isdigit() and "/" in (
            enclosure.get("type") or ""
        )
        if not complete or not _is_url(enclosure.get("url") or ""):
            yield "an enclosure has a URL, a length and a type"
    yield from _matches(item, "author", lambda text: "@" in text)
    if any(not (each.text or "").strip() for each in item.findall(f"{DC}creator")):
        yield "a dc:creator names somebody"
    yield from _html(item.findtext("description") or "")


def _html(source: str) -> Iterator[str]:
    if not source.strip():
        return
    root = html.fragment_fromstring(source, create_parent="div")
    for element in root.iter(etree.Element):
        if element.tag in UNSAFE:
            yield f"a description holds no <{element.tag}>"
        for name, value in element.attrib.items():
            if str(name).startswith("on") or str(name) == "style":
                yield f"a description holds no {name} attribute"
            if name in ("href", "src") and not _is_url(str(value)):
                yield f"addresses in a description are absolute: {value!r}"


def _known(element: etree._Element, names: frozenset[str]) -> Iterator[str]:
    seen: set[str] = set()
    for child in element:
        name = str(child.tag)
        if name.startswith("{"):
            continue
        if name not in names:
            yield f"there is no element <{name}> in <{element.tag}>"
        if name in seen and name not in REPEATABLE:
            yield f"<{element.tag}> has one <{name}>"
        seen.add(name)


def _titles(document: bytes) -> Iterator[str]:
    """The profile's "Character data": `&` and `<` of titles are hexadecimal references."""
    for title in re.findall(rb"<title>(.*?)</title>", document, re.DOTALL):
        if re.search(rb"&(?!#x26;|#x3C;|gt;|quot;|#13;)", title) or b"<" in title:
            yield f"a title writes & as &#x26; and < as &#x3C;: {title!r}"


def _namespaces(document: bytes) -> Iterator[str]:
    root_end = document.index(b">", document.index(b"<rss"))
    if re.search(rb"<[^>]*\sxmlns", document[root_end:]):
        yield "namespaces are declared once, in the root"


def _date(element: etree._Element, name: str) -> Iterator[str]:
    return _matches(element, name, DATE.fullmatch)


def _url(element: etree._Element, name: str) -> Iterator[str]:
    return _matches(element, name, _is_url)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https", "mailto") and bool(parts.netloc or parts.path)


def _matches(element: etree._Element, name: str, rule: Callable[[str], object]) -> Iterator[str]:
    for child in element.findall(name):
        if not rule(child.text or ""):
            yield f"<{name}> of <{element.tag}> is well formed: {child.text!r}"
