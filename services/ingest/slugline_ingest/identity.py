"""Who an entry is: ids for entries that come without one, and marks by which an entry is known again."""

import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b, sha256

from slugline.clock import rfc3339
from slugline.entry import EntryId

#: How many characters of the text stand in for a heading that is missing.
HEADING_OF_TEXT = 80

#: How much of a text is compared, in characters.
COMPARED = 600

#: Bits for each count of a similarity hash: 64 counters in one long number are added at once.
_LANE = 20


_APOSTROPHES = re.compile("['’‘]")
_NO_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """*text* without what never tells two headings apart: case, quotes, punctuation, blanks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _NO_WORD.sub(" ", _APOSTROPHES.sub("", plain)).strip()


def heading_of(title: str | None, body_text: str) -> str:
    """What an entry is known by: its folded heading, or the folded beginning of its text."""
    return fold(title or "") or fold(body_text)[:HEADING_OF_TEXT]


def heading_hash(heading: str) -> str:
    """A folded heading that cannot be read back."""
    return sha256(heading.encode()).hexdigest()[:16]


def text_id(heading: str, published: datetime | None, nth: int = 0) -> EntryId:
    """The id of an entry from text: a hash of its folded heading and minute, and which of equals it is."""
    minute = published.strftime("%H:%M") if published else ""
    counted = f"{heading}|{minute}" + (f"|{nth}" if nth else "")
    return EntryId(sha256(counted.encode()).hexdigest()[:20])


def pushed_id(title: str | None, body: str, published: datetime | None) -> EntryId:
    """The id of an entry that was pushed without one, so that repeating a request changes nothing."""
    stated = "\0".join((title or "", body, rfc3339(published) if published else ""))
    return EntryId(sha256(stated.encode()).hexdigest()[:20])


def simhash(text: str) -> int:
    """A 64-bit similarity hash (Charikar 2002) of the beginning of *text*: like texts differ in few bits."""
    shingles = trigrams(fold(text[:COMPARED]))
    counts = sum(map(_counters, shingles))
    most = (1 << _LANE) - 1
    return sum(
        1 << bit for bit in range(64) if 2 * (counts >> (bit * _LANE) & most) > len(shingles)
    )


@lru_cache(maxsize=65_536)
def _counters(shingle: str) -> int:
    value = int.from_bytes(blake2b(shingle.encode(), digest_size=8).digest(), "big")
    return sum((value >> bit & 1) << (bit * _LANE) for bit in range(64))


def distance(one: int, other: int) -> int:
    """In how many bits two similarity hashes differ: 0 to 64, some 32 for unlike texts."""
    return (one ^ other).bit_count()


def trigrams(folded: str) -> frozenset[str]:
    """What likeness is measured by: runs of three characters, in every script, whatever a word is."""
    return frozenset(folded[i : i + 3] for i in range(max(1, len(folded) - 2)))
