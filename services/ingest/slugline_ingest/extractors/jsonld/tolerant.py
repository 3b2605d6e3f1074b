"""JSON as pages have it: read strictly, then with the usual faults mended, then repaired."""

import html
import json
import re
from typing import Any

import json_repair
import orjson

#: How much of one document is mended, and given to the repair, in characters: more takes seconds.
MENDED, REPAIRED = 1_500_000, 300_000

#: Some sites escape a script as if it were text.
_ESCAPED = re.compile(r"[\[{\s]{1,50}&(?:quot|#34);")
_BEFORE = ("//", "/*", "<!--", "<![CDATA[", "*/", "//")
_AFTER = (";", "-->", "*/", "]]>", "//", "/*", ";")
#: Strings are passed over whole, so that nothing in a text is taken for a fault.
_FAULT = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])', re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.))', re.DOTALL)

FAULTS = (ValueError, RecursionError)


class Reader:
    """Reads the scripts of one document; what mending and repair may take is shared among them."""

    def __init__(self) -> None:
        self._to_mend, self._to_repair = MENDED, REPAIRED

    def read(self, script: str) -> Any:
        """The value of *script*; None where it cannot be told what it means."""
        text = _unwrapped(script)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return self._mended(text)

    def _mended(self, text: str) -> Any:
        if len(text) > self._to_mend:
            return None
        self._to_mend -= len(text)
        try:
            return json.loads(mended(text), strict=False)
        except FAULTS:
            return self._repaired(text)

    def _repaired(self, text: str) -> Any:
        """Only what is about a live blog is worth the time that a repair takes."""
        if "LiveBlogPosting" not in text or len(text) > self._to_repair:
            return None
        self._to_repair -= len(text)
        try:
            return json_repair.loads(text, skip_json_loads=True)
        except FAULTS:
            return None


def _unwrapped(script: str) -> str:
    """*script* without the comment or CDATA marks that hid it from browsers long gone."""
    text = script.strip()
    for mark in _BEFORE:
        text = text.removeprefix(mark).lstrip()
    for mark in _AFTER:
        text = text.removesuffix(mark).rstrip()
    return html.unescape(text) if _ESCAPED.match(text) else text


def mended(text: str) -> str:
    """*text* without commas before a closing bracket, its invalid escapes as what they stand for."""
    return _FAULT.sub(lambda m: _unescaped(m.group(1)) if m.group(1) else "", text)


def _unescaped(string: str) -> str:
    return _BAD_ESCAPE.sub(lambda m: m.group(0) if m.group(1) else m.group(2), string)
