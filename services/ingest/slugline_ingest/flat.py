"""HTML made simple: its text, and what is left of mark-up that is too dear to parse.

A parser takes time that grows with the square of the nesting, and repeats formatting that was left
open in every paragraph after it: some hundred kilobytes of it become gigabytes.
"""

import re
from collections import Counter

from lxml import etree
from lxml import html as lxml_html

#: People nest some ten deep; parsers and browsers give up between 250 and 512.
DEEPEST = 100

_FORMATTING = "b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u"
_FORMATTED = re.compile(rf"<({_FORMATTING})[\s/][^<>]*>?", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
#: Never nested but through others: void elements, and those that the next of their kind closes.
_SHALLOW = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "tfoot",
        "option",
    ]
)
_LONE_BRACKET = re.compile(r"<(?=[^<>]*(?:<|\Z))")
_STRUCTURE = re.compile(r"<(?!/?(?:p|br|script|style|template|noscript)[\s/>])[^<>]*>", re.I)

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
_CELLS = frozenset({"td", "th"})


def without_formatting_attributes(source: str) -> str:
    """*source* with bare `<b>`, `<i>` and their like: equal ones are not repeated without end."""
    return _FORMATTED.sub(r"<\1>", source)


def is_too_deep(source: str) -> bool:
    """Whether elements of *source* are nested deeper than anybody needs; a rough count, from above."""
    opened: Counter[str] = Counter()
    depth = 0
    for match in _TAG.finditer(source):
        name = match.group(2).lower()
        if name in _SHALLOW:
            continue
        if not match.group(1):
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        if depth > DEEPEST:
            return True
    return False


def flattened(source: str) -> str:
    """*source* with its paragraphs and without any other mark-up; not safe yet."""
    # A blank takes the place of each tag, so that nothing that is left can join up to a new one.
    simple = _STRUCTURE.sub(" ", _LONE_BRACKET.sub("&lt;", source))
    return re.sub(" {2,}", " ", simple)


def text_of(source: str) -> str:
    """The text of sanitised HTML, its paragraphs apart by a blank line."""
    if not source.strip():
        return ""
    parser = lxml_html.HTMLParser(huge_tree=True)
    try:
        root = lxml_html.fragment_fromstring(source, create_parent="div", parser=parser)
    except (etree.ParserError, ValueError):
        return ""
    paragraphs: list[list[str]] = [[]]
    for event, element in _walk(root):
        if element.tag in _BLOCKS:
            paragraphs.append([])
        if event == "start":
            paragraphs[-1].append("\n" if element.tag == "br" else _flowing(element.text))
        else:
            paragraphs[-1].append(" " if element.tag in _CELLS else "")
            paragraphs[-1].append(_flowing(element.tail))
    joined = ("".join(parts) for parts in paragraphs)
    lines = (
        "\n".join(" ".join(line.split()) for line in text.split("\n")).strip() for text in joined
    )
    return "\n\n".join(text for text in lines if text)


def _flowing(text: str | None) -> str:
    """*text* as HTML shows it: a line end in the source is a blank."""
    return re.sub(r"\s", " ", text or "")


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
