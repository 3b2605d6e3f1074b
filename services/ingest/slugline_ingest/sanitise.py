"""HTML is hostile: what the log holds is safe to serve.

Bodies pass an allow-list (nh3, the ammonia sanitiser): no script, style, frame, handler or
`javascript:`; addresses are absolute http(s); what was embedded becomes a link to it.
"""

import re
from html import escape
from urllib.parse import urljoin, urlsplit

import nh3
from lxml import html as lxml_html
from lxml.etree import ParserError

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
_BLOCKS = frozenset(
    [
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "li",
        "blockquote",
        "pre",
        "tr",
        "figcaption",
        "caption",
        "dt",
        "dd",
        "div",
        "section",
        "article",
        "ul",
        "ol",
        "table",
        "figure",
        "hr",
    ]
)
_EMBED = re.compile(r"<(iframe|video|audio|embed|object)\b[^>]*?>", re.IGNORECASE)
_SOURCE = re.compile(r"""\b(?:src|data|href)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
#: C0 and C1 controls but tab and line ends, lone surrogates, and code points that are no characters.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def clean_text(text: str) -> str:
    """*text* without control characters, lone surrogates and non-characters; line ends as `\\n`."""
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_html(source: str, base: str | None = None) -> str:
    """*source* by the allow-list; relative addresses resolved against *base*, or dropped without one."""
    linked = _EMBED.sub(_link, clean_text(source))

    def attribute(tag: str, name: str, value: str) -> str | None:
        return absolute(value, base) if (tag, name) in (("a", "href"), ("img", "src")) else value

    cleaned = nh3.clean(
        linked,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener",
        attribute_filter=attribute,
        clean_content_tags={"script", "style", "template", "noscript"},
    )
    return cleaned.strip()


def absolute(address: str, base: str | None = None) -> str | None:
    """*address* as an absolute http(s) or mailto address, or None where it is none."""
    try:
        resolved = urljoin(base, address.strip()) if base else address.strip()
        parts = urlsplit(resolved)
    except ValueError:
        return None
    if parts.scheme == "mailto":
        return resolved
    return resolved if parts.scheme in ("http", "https") and parts.hostname else None


def _link(match: re.Match[str]) -> str:
    found = _SOURCE.search(match.group(0))
    address = found.group(1).strip("\"'") if found else ""
    if not address:
        return ""
    return f'<p><a href="{escape(address)}">{escape(address)}</a></p>'


def text_of(source: str) -> str:
    """The text of sanitised HTML, its paragraphs apart by a blank line."""
    try:
        root = lxml_html.fragment_fromstring(source, create_parent="div")
    except (ParserError, ValueError):
        return ""
    paragraphs: list[list[str]] = [[]]
    for event, element in _walk(root):
        if element.tag in _BLOCKS:
            paragraphs.append([])
        if event == "start":
            paragraphs[-1].append("\n" if element.tag == "br" else element.text or "")
        else:
            paragraphs[-1].append(element.tail or "")
    joined = ("".join(parts) for parts in paragraphs)
    lines = (
        "\n".join(" ".join(line.split()) for line in text.split("\n")).strip() for text in joined
    )
    return "\n\n".join(text for text in lines if text)


def _walk(root: lxml_html.HtmlElement) -> list[tuple[str, lxml_html.HtmlElement]]:
    """Every element twice, at its start and its end, in order; without recursion: HTML nests deeply."""
    steps: list[tuple[str, lxml_html.HtmlElement]] = []
    stack = [("start", root)]
    while stack:
        event, element = stack.pop()
        if not isinstance(element.tag, str):
            continue
        steps.append((event, element))
        if event == "start":
            stack.append(("end", element))
            stack += [("start", child) for child in reversed(element)]
    return steps


def html_of(text: str) -> str:
    """*text*, its paragraphs apart by a blank line, as HTML paragraphs."""
    paragraphs = (part.strip() for part in re.split(r"\n[ \t]*\n", text))
    return "".join(
        f"<p>{escape(p, quote=False).replace(chr(10), '<br>')}</p>" for p in paragraphs if p
    )
