"""Remembered: what was found out about a line is kept, for pages come again mostly unchanged."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

#: How many lines are remembered, and how long each may be: a few megabytes in all.
_LINES, _LONGEST = 4096, 400


def remembered(function: Callable[[str], T]) -> Callable[[str], T]:
    """*function*, whose result depends on its text alone, with the latest of them kept."""
    kept = lru_cache(maxsize=_LINES)(function)

    @wraps(function)
    def read(text: str) -> T:
        return kept(text) if len(text) <= _LONGEST else function(text)

    return read
