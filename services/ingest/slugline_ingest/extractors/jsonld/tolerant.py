"""JSON as pages have it: read strictly, then with the usual faults mended, then repaired."""

import json
import re
from typing import Any

import json_repair
import orjson

#: How much of one document is given to the repair, in characters: it takes seconds for more.
REPAIRED = 300_000

_WRAPPING = re.compile(r"\A\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|(?://\s*)?\]\]>|;)\s*\Z")
#: Strings are passed over whole, so that nothing in a text is taken for a fault.
_FAULT = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])', re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.))', re.DOTALL)

FAULTS = (ValueError, RecursionError)


class Reader:
    """Reads the scripts of one document; what the repair may take is shared among them."""

    def __init__(self, repaired: int = REPAIRED) -> None:
        self._left = repaired

    def read(self, script: str) -> Any:
        """The value of *script*; None where it cannot be told what it means."""
        text = _WRAPPING.sub("", script).strip()
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
        mended = _mended(text)
        try:
            return json.loads(mended, strict=False)
        except FAULTS:
            return self._repaired(text)

    def _repaired(self, text: str) -> Any:
        """Only what is about a live blog is worth the time that a repair takes."""
        if "LiveBlogPosting" not in text or len(text) > self._left:
            return None
        self._left -= len(text)
        try:
            return json_repair.loads(text, skip_json_loads=True)
        except FAULTS:
            return None


def _mended(text: str) -> str:
    """*text* without commas before a closing bracket, its invalid escapes as what they stand for."""
    return _FAULT.sub(lambda m: _unescaped(m.group(1)) if m.group(1) else "", text)


def _unescaped(string: str) -> str:
    return _BAD_ESCAPE.sub(lambda m: m.group(0) if m.group(1) else m.group(2), string)
