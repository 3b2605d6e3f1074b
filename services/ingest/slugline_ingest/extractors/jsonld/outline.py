"""Outline: the few elements of a page that matter here, found without parsing the rest.

A parser's time grows with the square of the nesting and of the attributes: half a megabyte of open
`<div>` costs lexbor a minute. So one linear pass picks the elements, and lexbor reads those alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from selectolax.lexbor import LexborHTMLParser

#: How many elements are looked at, and the longest tag, in characters.
ELEMENTS, TAG = 2_000, 4_000
#: A search takes so many characters at once: other threads wait for as long as it takes.
STRETCH = 200_000
#: How much of a page is looked through for ids, in characters.
IDS_WITHIN = 2_000_000

#: Where an element begins that is wanted or that hides what looks like one. `<` ends a tag here, so
#: that a page full of unfinished tags is passed once and not once for each.
_START = re.compile(
    rf"<(?:(!--)|(script|style|textarea|title|xmp|template)\b[^<>]{{0,{TAG}}}>"
    rf"|(?:html|base|link|meta)\b[^<>]{{0,{TAG}}}>)",
    re.IGNORECASE,
)
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
    while match := _next_start(page, position):
        comment, kind = match.groups()
        if not comment and not kind:
            position = match.end()
            yield match.group(0)
            continue
        stop, position = _end_of(kind.lower() if kind else "", page, match.end())
        if kind and _is_wanted(kind.lower(), match.group(0)):
            yield f"{page[match.start() : stop]}</{kind}>"


def _end_of(kind: str, page: str, start: int) -> tuple[int, int]:
    """Where the element of *kind* that was opened before *start* ends ("": a comment), and goes on after."""
    mark = f"</{kind}" if kind else "-->"
    while (stop := page.find(mark[:2] if kind else mark, start)) >= 0:
        after = stop + len(mark)
        if not kind:
            return stop, after
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


def _is_wanted(kind: str, tag: str) -> bool:
    return kind == "title" or (kind == "script" and bool(_WANTED_SCRIPT.search(tag)))
