"""How alike two entries are, and which pairs are likely: what was edited is still itself."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from heapq import nsmallest

from slugline.entry import Entry
from slugline_ingest.identity import COMPARED, fold, heading_of, simhash, trigrams
from slugline_ingest.snapshot import SnapshotEntry

#: Two headings are one, corrected, from here on; with the same minute less will do.
SIMILAR_HEADING, SIMILAR_HEADING_AT_SAME_TIME = 0.6, 0.45
#: Two texts are one, edited, from here on.
SIMILAR_TEXT = 0.6
#: Times of day that differ by more than this, in minutes, speak of two entries.
SAME_TIME = 5
#: A shorter text tells nothing alone, in bytes: scripts that say more with a character use more.
TELLING = 40
#: Longer words, on the average, are none: clauses of a script that parts nothing else; characters.
LONGEST_WORD = 10
#: By how many words an entry is looked for; a word that more entries have than this finds none.
FEATURES, COMMON = 24, 30
#: How many known entries are compared with one: those that share most with it, and those beside it.
CANDIDATES, BESIDE = 5, 2
#: Up to this many pairs of one key are sorted by time; more are paired from the oldest on.
SORTED = 400

#: An entry of a snapshot and a known one, by their places in their sequences.
Pair = tuple[int, int]


@dataclass(frozen=True)
class Marks:
    """What an entry is compared by: folded heading and text, and its time of day in minutes."""

    heading: str
    text: str
    published: datetime | None

    @property
    def time(self) -> int | None:
        return None if self.published is None else self.published.hour * 60 + self.published.minute

    @property
    def tells(self) -> bool:
        """Whether the text is long enough not to be another's by chance."""
        return len(self.text.encode()) > TELLING

    @cached_property
    def heading_grams(self) -> frozenset[str]:
        return trigrams(self.heading)

    @cached_property
    def text_parts(self) -> frozenset[str]:
        """The words of the text; runs of characters in a script that does not part words."""
        words = frozenset(self.text.split())
        return words if len(words) * LONGEST_WORD > len(self.text) else trigrams(self.text)

    @cached_property
    def likeness(self) -> int:
        """A similarity hash of heading and text together, so that a heading alone has one too."""
        return simhash(f"{self.heading} {self.text}")

    @cached_property
    def features(self) -> list[str]:
        """Some of its parts by which it is looked for: the longest, since those are the rarest."""
        words = sorted(self.text_parts.union(self.heading.split()), key=lambda w: (len(w), w))
        return words[-FEATURES:] + (sorted(self.heading_grams) if len(words) < FEATURES else [])


def marks_of(entry: SnapshotEntry | Entry) -> Marks:
    """The marks of *entry*, which is not withdrawn."""
    return Marks(heading_known_by(entry), fold(text_known_by(entry)[:COMPARED]), entry.published)


def heading_known_by(entry: SnapshotEntry | Entry) -> str:
    """The folded heading that *entry* is known by, or the beginning of its text."""
    return heading_of(entry.title, text_known_by(entry))


def text_known_by(entry: SnapshotEntry | Entry) -> str:
    """The text of *entry*, or what else of it can be read: captions, and headlines of cards."""
    if entry.body_text:
        return entry.body_text
    read = [*(m.caption or m.alt for m in entry.media), *(r.title for r in entry.related)]
    return " ".join(text for text in read if text)


def dice(one: Collection[str], other: Collection[str]) -> float:
    """How much two sets have in common: 0 to 1 (Dice 1945)."""
    return 2 * len(frozenset(one) & frozenset(other)) / (len(one) + len(other) or 1)


def minutes_apart(one: int | None, other: int | None) -> int:
    """How far two times of day lie apart, in minutes; 0 where one is unknown.

    Days do not count: they are often inferred.
    """
    if one is None or other is None:
        return 0
    apart = abs(one - other)
    return min(apart, 1440 - apart)


def closest_pairs(
    indexes: Sequence[int],
    positions: Sequence[int],
    entries: Sequence[Marks],
    known: Sequence[Marks],
) -> Iterable[Pair]:
    """Pairs of equals, those closest in time first; where times are equal, the oldest first."""
    if len(indexes) * len(positions) > SORTED:
        return zip(reversed(indexes), reversed(positions), strict=False)
    return sorted(
        ((i, p) for i in indexes for p in positions),
        key=lambda pair: (
            minutes_apart(entries[pair[0]].time, known[pair[1]].time),
            -pair[0],
            -pair[1],
        ),
    )


def likely_pairs(
    entries: Mapping[int, Marks], known: Mapping[int, Marks], may: Callable[[int, int], bool]
) -> list[Pair]:
    """The pairs for which *may* holds and that are alike enough to be one, most alike first."""
    if not known:
        return []
    shared = _by_feature(known)
    order = list(known)
    scored: list[tuple[float, int, int]] = []
    for number, (index, marks) in enumerate(entries.items()):
        beside = order[max(0, number - BESIDE) : number + BESIDE + 1]
        for position in {**dict.fromkeys(_sharing(marks, shared)), **dict.fromkeys(beside)}:
            score = likeness(marks, known[position]) if may(index, position) else 0.0
            if score:
                scored.append((-score, index, position))
    return [(index, position) for _, index, position in sorted(scored)]


def _by_feature(known: Mapping[int, Marks]) -> Mapping[str, list[int]]:
    shared: dict[str, list[int]] = defaultdict(list)
    for position, marks in known.items():
        for feature in marks.features:
            shared[feature].append(position)
    return {name: positions for name, positions in shared.items() if len(positions) <= COMMON}


def _sharing(marks: Marks, shared: Mapping[str, list[int]]) -> list[int]:
    votes: Counter[int] = Counter()
    for feature in marks.features:
        votes.update(shared.get(feature, ()))
    return nsmallest(CANDIDATES, votes, key=lambda position: (-votes[position], position))


def likeness(entry: Marks, known: Marks) -> float:
    """How sure it is that *entry* is *known*, edited: up to 2, and 0 where it is not."""
    timed = entry.time is not None and known.time is not None
    enough = SIMILAR_HEADING_AT_SAME_TIME if timed else SIMILAR_HEADING
    heading = dice(entry.heading_grams, known.heading_grams)
    text = dice(entry.text_parts, known.text_parts)
    if heading >= enough:
        return 1.0 + (heading + text) / 2
    return text if text >= SIMILAR_TEXT and entry.tells else 0.0
