"""Fields: what a value of an entry says, in whatever form a page gives it."""

import html
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from slugline_ingest.flat import text_of
from slugline_ingest.sanitise import absolute, clean_html, clean_text, html_of

#: The longest texts, in characters: a record in the log holds a million bytes with all its fields.
LINE, PARAGRAPHS, BODY = 1_000, 20_000, 150_000
#: How many bytes of a record may be an entry's body, as HTML and as text.
RECORD = 700_000
#: How many of anything an entry has.
MANY = 50
#: From here on a number of a time counts milliseconds; below, seconds since 1970.
_MILLISECONDS = 10**11
#: The years in which a time makes sense.
_YEARS = range(1990, 2100)
#: Bodies up to this length are remembered, in characters: most entries of a page are those of the last poll.
_REMEMBERED = 8_000

_TAG = re.compile(r"<(?:[a-zA-Z][^<>]*|/[a-zA-Z][^<>]*|!--)>?")
_ESCAPED_TWICE = re.compile(r"&amp;(?=#?\w{1,31};)")
_BY = re.compile(r"^by\s+", re.IGNORECASE)


def texts_in(value: Any, *names: str) -> Iterator[str]:
    """The texts of *value*: itself, those of a list, those that an object has under *names*."""
    stack = [value]
    for _ in range(1_000):
        if not stack:
            return
        each = stack.pop()
        if isinstance(each, list):
            stack += reversed(each)
        elif isinstance(each, dict):
            stack += [each[name] for name in names if each.get(name)][:1]
        elif isinstance(each, str) and each.strip():
            yield each
        elif isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each):
            yield str(each)


def unescaped(text: str) -> str:
    """*text* with its entities resolved until nothing changes, three times at the most."""
    for _ in range(3):
        plainer = html.unescape(text)
        if plainer == text:
            break
        text = plainer
    return clean_text(text)


def line_of(value: Any, longest: int = LINE) -> str:
    """One line of plain text: tags and entities resolved, blanks collapsed."""
    text = unescaped(next(texts_in(value, "@value", "name", "text"), "")[: 4 * longest])
    if _TAG.search(text):
        text = text_of(clean_html(text))
    line = " ".join(text.split())
    return line if len(line) <= longest else line[:longest].rsplit(" ", 1)[0] + " …"


def names_of(value: Any) -> tuple[str, ...]:
    """The names of authors: given as a text, an object, or a list of both."""
    stated = [_BY.sub("", line_of(name)) for name in texts_in(value, "name", "@value")]
    return tuple(dict.fromkeys(name for name in stated if name and "://" not in name))[:MANY]


def tags_of(value: Any) -> tuple[str, ...]:
    """Keywords: a list, or one text with commas."""
    stated = [tag for text in texts_in(value, "name", "@value") for tag in text[:LINE].split(",")]
    return tuple(dict.fromkeys(tag for each in stated if (tag := line_of(each, 200))))[:MANY]


def instant_of(value: Any, zone: str) -> datetime | None:
    """A time, aware, in UTC; without a zone of its own it is in *zone*. None for what is no instant."""
    stated = next(texts_in(value, "@value"), "").strip()
    try:
        found = _number(stated) or _iso(stated) or parsedate_to_datetime(stated)
        aware = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
        instant = aware.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return instant if instant.year in _YEARS else None


def _number(stated: str) -> datetime | None:
    try:
        number = float(stated)
    except ValueError:
        return None
    if not math.isfinite(number):
        raise ValueError(stated)
    return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)


def _iso(stated: str) -> datetime | None:
    if len(stated) < len("2026-11-22T14:05"):
        return None  # a day alone is no instant
    try:
        return datetime.fromisoformat(stated)
    except ValueError:
        return None


def body_of(source: str, base: str | None) -> tuple[str, str]:
    """The body that *source* is, text or HTML, as sanitised HTML and as text."""
    return _remembered(source, base) if len(source) <= _REMEMBERED else _body(source, base)


def _body(source: str, base: str | None) -> tuple[str, str]:
    source = source[:BODY]
    body_html = ""
    if _TAG.search(source):
        body_html = clean_html(_escaped_once(source), base)
    else:
        text = unescaped(source)
        body_html = clean_html(text, base) if _TAG.search(text) else html_of(_paragraphs(text))
    text = text_of(body_html)
    if len(body_html.encode()) + len(text.encode()) > RECORD:
        text = text[: BODY // 4]
        body_html = html_of(text)
    return body_html, text


_remembered = lru_cache(maxsize=2_048)(_body)


def _escaped_once(source: str) -> str:
    for _ in range(3):
        plainer = _ESCAPED_TWICE.sub("&", source)
        if plainer == source:
            break
        source = plainer
    return source


def _paragraphs(text: str) -> str:
    """*text* with its paragraphs apart by a blank line; where it has none, each line is one."""
    tidy = text.strip()
    return tidy if re.search(r"\n[ \t]*\n", tidy) else tidy.replace("\n", "\n\n")


def address_of(value: Any, base: str | None) -> str | None:
    """The absolute address that *value* states: a text, or an object's `url` or `@id`."""
    stated = next(texts_in(value, "url", "contentUrl", "@id"), "").strip()
    found = absolute(html.unescape(stated), base) if stated else None
    return found if found and len(found) <= 2_000 and found.startswith("http") else None
