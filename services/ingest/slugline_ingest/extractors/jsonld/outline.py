"""Outline: the few elements of a page that matter here, found without parsing the rest.

A parser's time grows with the square of the nesting and of the attributes: half a megabyte of open
`<div>` costs lexbor a minute. So one linear pass picks the elements, and lexbor reads those alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from selectolax.lexbor import LexborHTMLParser

#: How many elements are read and looked at, and the longest tag, in characters.
ELEMENTS, LOOKED_AT, TAG = 2_000, 20_000, 4_000
#: A search takes so many characters at once: other threads wait for as long as it takes.
STRETCH = 200_000
#: How much of a page is looked through for ids, in characters.
IDS_WITHIN = 2_000_000

#: Elements that are wanted, or that hide what looks like one.
_START = re.compile(
    r"<(!--|(?:script|style|textarea|title|xmp|template|html|base|link|meta)(?![\w-]))",
    re.IGNORECASE,
)
_WITH_CONTENT = frozenset(["script", "style", "textarea", "title", "xmp", "template"])
#: The rest of a tag: with quoted values, else up to the next bracket.
_REST = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*+>|[^<>]*>""")
_AFTER_NAME = frozenset(" \t\n\r\f/>")
_WANTED_SCRIPT = re.compile(r"ld\+json", re.IGNORECASE)
_ID = re.compile(r"""<[a-zA-Z][^<>]{0,400}?\sid\s*=\s*["']?([^\s"'<>]{1,200})""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is wanted of a page. *link* is its canonical address as stated, *base* that of `<base>`."""

    scripts: tuple[str, ...] = ()
    title: str = ""
    language: str = ""
    link: str = ""
    base: str = ""


def outline_of(page: str) -> Outline:
    """The outline of *page*, an HTML document however broken."""
    tree = LexborHTMLParser("".join(islice(wanted(page), ELEMENTS)))
    scripts = [
        node.text()
        for node in tree.css("script")
        if _WANTED_SCRIPT.search(node.attributes.get("type") or "")
    ]
    title = tree.css_first("title")
    return Outline(
        scripts=tuple(scripts),
        title=" ".join(title.text().split()) if title else "",
        language=_attribute(tree, "html", "lang"),
        link=_attribute(tree, "link[rel=canonical i]", "href")
        or _attribute(tree, "meta[property='og:url']", "content"),
        base=_attribute(tree, "base", "href"),
    )


def ids_of(page: str) -> set[str]:
    """The ids of the elements of *page*, roughly: what a link into it may lead to."""
    return set(_ID.findall(page[:IDS_WITHIN]))


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return ((node.attributes.get(name) or "") if node else "").strip()


def wanted(page: str) -> Iterator[str]:
    """The elements of *page* that are read, as they stand there; comments and the like are passed over."""
    position = 0
    for _ in range(LOOKED_AT):
        match = _next_start(page, position)
        if not match:
            return
        kind, start, position = match.group(1).lower(), match.start(), match.end()
        tag = None if kind == "!--" else _REST.match(page, position, position + TAG)
        position = tag.end() if tag else position
        if kind != "!--" and kind not in _WITH_CONTENT:
            yield page[start:position] if tag else ""
        elif tag or kind == "!--":
            stop, position = _end_of(kind, page, position)
            if kind == "title" or (
                kind == "script" and tag and _WANTED_SCRIPT.search(tag.group(0))
            ):
                yield f"{page[start:stop]}</{kind}>"


def _end_of(kind: str, page: str, start: int) -> tuple[int, int]:
    """Where the element of *kind* (or comment) that was opened before *start* ends, and what follows begins."""
    if kind == "!--":
        stop = page.find("-->", start)
        return (stop, stop + 3) if stop >= 0 else (len(page), len(page))
    mark = f"</{kind}"
    while (stop := page.find("</", start)) >= 0:
        after = stop + len(mark)
        if page[stop:after].lower() == mark and page[after : after + 1] in _AFTER_NAME:
            return stop, after
        start = stop + 2
    return len(page), len(page)


def _next_start(page: str, position: int) -> re.Match[str] | None:
    for start in range(position, len(page), STRETCH):
        match = _START.search(page, start, start + STRETCH + TAG)
        if match:
            return match
    return None
