"""HTML is hostile: what the log holds is safe to serve.

Bodies pass an allow-list (nh3, the ammonia sanitiser): no script, style, frame, handler or
`javascript:`; addresses are absolute http(s) or mailto; what was embedded becomes a link to it.
"""

import re
from html import escape
from urllib.parse import urljoin, urlsplit

import nh3

from slugline_ingest.flat import flattened, is_too_deep, without_formatting_attributes

_TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "dd",
        "del",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "u",
        "ul",
    ]
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "*": {"lang", "dir"},
}
_DROPPED_WHOLE = {"script", "style", "template", "noscript"}
_ADDRESSES = frozenset({"href", "src", "data", "data-src"})

#: What is embedded, and where its address stands.
_EMBEDS = {
    "iframe": {"src", "data-src"},
    "video": {"src"},
    "audio": {"src"},
    "source": {"src"},
    "embed": {"src"},
    "object": {"data"},
}
_HAS_EMBED = re.compile(rf"<({'|'.join(_EMBEDS)})\b", re.IGNORECASE)
#: Embeds as nh3 writes them, and no other way: every attribute is quoted.
_EMBED = re.compile(
    r'<(iframe|video|audio|object)((?: [a-z-]+="[^"]*")*)>(.*?)</\1>|<embed((?: [a-z-]+="[^"]*")*)>',
    re.DOTALL,
)
_ADDRESS = re.compile(r' (?:src|data|data-src)="([^"]+)"')

#: C0 and C1 controls but tab and line ends, lone surrogates, and code points that are no characters.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
#: Bytes that are controls wherever UTF-8 has them, how C1 controls are written in it, and the bytes that
#: begin everything else that is forbidden (besides much that is not).
_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_SUSPECT = (b"\xed", b"\xef")
#: A body that grows by more than this when it is parsed is one that means to.
_GROWTH = 4
#: Parsed HTML that is written out can mean something else to the next parser; seldom twice.
_PASSES = 4


def clean_text(text: str) -> str:
    """*text* without control characters, lone surrogates and non-characters; line ends as `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if _is_surely_clean(text) else _FORBIDDEN.sub("", text)


def _is_surely_clean(text: str) -> bool:
    """Whether nothing in *text* is forbidden, as far as a quick look tells: pages have megabytes, and most are clean.

    Passes over bytes cost a third to a half of what a regular expression over characters does.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data.translate(None, _CONTROLS)) < len(data) or _C1.search(data):
        return False
    return not any(lead in data for lead in _SUSPECT)


def clean_html(source: str, base: str | None = None) -> str:
    """*source* by the allow-list; relative addresses resolved against *base*, or dropped without one.

    Cleaning twice is cleaning once. HTML made to be dear (nesting thousands deep, formatting that a
    parser repeats over and over) keeps its paragraphs and loses the rest of its mark-up.
    """
    simple = without_formatting_attributes(clean_text(source))
    if not is_too_deep(simple):
        cleaned = _cleaned(_with_embeds_linked(simple, base), base)
        if len(cleaned) <= _GROWTH * len(source) + 1_000:
            return _stable(cleaned, base)
    return _stable(_cleaned(flattened(simple), base), base)


def _stable(source: str, base: str | None) -> str:
    for _ in range(_PASSES):
        cleaned = _cleaned(source, base)
        if cleaned == source:
            break
        source = cleaned
    return source


def _cleaned(source: str, base: str | None) -> str:
    def attribute(_: str, name: str, value: str) -> str | None:
        return absolute(value, base) if name in _ADDRESSES else value

    cleaned = nh3.clean(
        source,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener",
        attribute_filter=attribute,
        clean_content_tags=_DROPPED_WHOLE,
    )
    return clean_text(cleaned).strip()


def _with_embeds_linked(source: str, base: str | None) -> str:
    """*source* with a link in the place of each thing embedded; not safe yet, but well formed."""
    if not _HAS_EMBED.search(source):
        return source

    def attribute(_: str, name: str, value: str) -> str | None:
        # Without "<" in attributes, every "<" that is left begins a tag.
        return absolute(value, base) if name in _ADDRESSES else value.replace("<", "")

    well_formed = nh3.clean(
        source,
        tags=_TAGS | _EMBEDS.keys(),
        attributes=_ATTRIBUTES | _EMBEDS,
        link_rel=None,
        attribute_filter=attribute,
        clean_content_tags=_DROPPED_WHOLE,
    )
    return _EMBED.sub(_link, well_formed)


def _link(match: re.Match[str]) -> str:
    found = _ADDRESS.search(match.group(0))
    if not found:
        return match.group(3) or ""
    address = found.group(1)
    return f'<p><a href="{address}">{address}</a></p>'


def absolute(address: str, base: str | None = None) -> str | None:
    """*address* as an absolute http(s) or mailto address, or None where it is none."""
    tidy = re.sub(r"[\t\n\r]", "", address).strip().replace(" ", "%20")
    if _FORBIDDEN.search(tidy) or re.search(r"\s", tidy):
        return None
    try:
        resolved = urljoin(base, tidy) if base else tidy
        parts = urlsplit(resolved)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme == "mailto":
        return resolved
    return resolved if parts.scheme in ("http", "https") and host else None


def html_of(text: str) -> str:
    """*text*, its paragraphs apart by a blank line, as HTML paragraphs."""
    return "".join(
        f"<p>{escape(p, quote=False).replace(chr(10), '<br>')}</p>" for p in paragraphs_of(text)
    )


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of *text*, which stand apart by a blank line."""
    parts = (part.strip() for part in re.split(r"\n[ \t]*\n", text))
    return [part for part in parts if part]
