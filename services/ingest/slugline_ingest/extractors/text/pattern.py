"""Pattern: which anchors cut a dump into entries, and on which side of the headings they stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from slugline_ingest.extractors.text.anchors import Anchor, Form, Kind
from slugline_ingest.extractors.text.labels import looks_like_heading
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.names import people_of
from slugline_ingest.extractors.text.vocabulary import is_key_points
from slugline_ingest.extractors.text.words import fold


class Position(StrEnum):
    """Where the anchor of an entry stands."""

    ABOVE = "above the heading"
    BELOW = "between heading and text"
    END = "under the text"
    WITHIN = "on the line of the heading or of the first paragraph"


Family = tuple[Kind, Form]

#: Families of anchors that may cut, those first that are least likely to be anything else.
_FAMILIES: tuple[Family, ...] = (
    (Kind.CLOCK, Form.WHOLE),
    (Kind.EPOCH, Form.WHOLE),
    (Kind.EPOCH, Form.PREFIX),
    (Kind.CLOCK, Form.PREFIX),
    (Kind.MINUTE, Form.PREFIX),
    (Kind.MINUTE, Form.WHOLE),
    (Kind.CLOCK, Form.SUFFIX),
    (Kind.RELATIVE, Form.WHOLE),
    (Kind.RELATIVE, Form.PREFIX),
    (Kind.BYLINE, Form.WHOLE),
)
#: A family yields to a later one that has this many times its hits.
_OUTNUMBERED = 1.8
_ENOUGH = 3
_TIMED = (Kind.CLOCK, Kind.EPOCH, Kind.RELATIVE)
_SHORT_DUMP = 60
_LONGEST_NAME = 40
_HEAD = 150
_TEASER = 260
#: How far down the page's own times and bylines may stand.
_PAGE_STAMPS = 40


@dataclass(frozen=True, slots=True)
class Pattern:
    """The anchors that cut, in order, and the family that they are of."""

    family: Family
    cuts: tuple[Anchor, ...]


def with_names_settled(anchors: Sequence[Anchor], lines: Sequence[Line]) -> list[Anchor]:
    """*anchors* where text behind a time is known for a name, if the whole document says so."""
    behind = [a for a in anchors if a.form is Form.PREFIX and a.kind in _TIMED]
    with_comma = [a for a in behind if a.comma]
    without = [a for a in behind if not a.comma]
    people = {a.index: people_of(a.text) for a in behind}
    named: set[int] = set()
    for group in (with_comma, without):
        if _are_names(group, people, lines):
            named |= {a.index for a in group if people[a.index] or _may_be_name(a)}
    return [_as_byline(a, people[a.index]) if a.index in named else a for a in anchors]


def _may_be_name(anchor: Anchor) -> bool:
    # `17:48 , Reuters`: after a comma, beside real names, a short word is a name too.
    return anchor.comma and len(anchor.text) <= _LONGEST_NAME and anchor.text[-1:] not in ".?!:"


def _are_names(
    group: Sequence[Anchor], people: Mapping[int, tuple[str, ...]], lines: Sequence[Line]
) -> bool:
    if not group or not _have_text_between(group):
        return False
    named = [a for a in group if people[a.index]]
    if group[0].comma:
        uncased = [a for a in group if a.text.upper() == a.text.lower() and len(a.text) <= 20]
        return 2 * (len(named) + len(uncased)) >= len(group)
    if len(named) < 0.8 * len(group):
        return False
    repeated = len({fold(a.text) for a in named}) < len(named)
    return repeated or _stand_by_headings(named, lines)


def _have_text_between(anchors: Sequence[Anchor]) -> bool:
    """Whether most of *anchors* have lines of text between them, unlike those of a timetable."""
    gaps = [b.index - a.index > 1 for a, b in pairwise(anchors)]
    return 2 * sum(gaps) >= len(gaps)


def _stand_by_headings(anchors: Sequence[Anchor], lines: Sequence[Line]) -> bool:
    """Whether most of *anchors* have a heading above them, or below."""
    above = sum(a.index > 0 and looks_like_heading(lines[a.index - 1]) for a in anchors)
    below = sum(
        looks_like_heading(line) for a in anchors for line in lines[a.index + 1 : a.index + 2]
    )
    return max(above, below) >= 0.6 * len(anchors)


def _as_byline(anchor: Anchor, people: tuple[str, ...]) -> Anchor:
    named = people or (anchor.text.strip(" ,"),)
    return replace(anchor, form=Form.WHOLE, people=named, text="")


def choose_pattern(
    anchors: Sequence[Anchor], lines: Sequence[Line], *, live: bool
) -> Pattern | None:
    """The family of anchors that cuts the dump; None when no anchor is repeated enough."""
    families = _families(anchors, lines)
    counts = {family: len(found) for family, found in families.items()}
    need = _ENOUGH if len(lines) > _SHORT_DUMP else 2
    for family in _FAMILIES:
        count = counts.get(family, 0)
        if count < (1 if live and _is_sure(family) else need):
            continue
        if any(other > _OUTNUMBERED * count for other in _rivals(family, counts)):
            continue
        if count >= _ENOUGH or _is_sure(family):
            return Pattern(family, _with_siblings(family, families))
    return None


def _is_sure(family: Family) -> bool:
    return family in ((Kind.CLOCK, Form.WHOLE), (Kind.EPOCH, Form.WHOLE))


def _rivals(family: Family, counts: Mapping[Family, int]) -> Iterable[int]:
    return (counts.get(other, 0) for other in _FAMILIES[_FAMILIES.index(family) + 1 :])


def _families(anchors: Sequence[Anchor], lines: Sequence[Line]) -> dict[Family, list[Anchor]]:
    families: dict[Family, list[Anchor]] = {}
    for anchor in _without_teasers(anchors, lines):
        families.setdefault((anchor.kind, anchor.form), []).append(anchor)
    return {family: _without_page_stamps(found, lines) for family, found in families.items()}


def _with_siblings(
    family: Family, families: Mapping[Family, Sequence[Anchor]]
) -> tuple[Anchor, ...]:
    """The anchors of *family*; where times stand before text, those that stand alone as well."""
    kind, form = family
    cuts = list(families[family])
    if form is Form.PREFIX:
        # A whole date and time among bare ones is the page's, or that of another story.
        dated = sum(a.stamp.day is not None for a in cuts) > 0.5 * len(cuts)
        alone = families.get((kind, Form.WHOLE), ())
        cuts += [a for a in alone if dated or a.stamp.day is None]
    if family == (Kind.RELATIVE, Form.WHOLE):
        # The newest are `5 min ago`, those of yesterday have a time.
        cuts += families.get((Kind.CLOCK, Form.WHOLE), ())
    if kind is Kind.MINUTE:
        other = Form.PREFIX if form is Form.WHOLE else Form.WHOLE
        cuts += [a for a in families.get((kind, other), ()) if a not in cuts]
        cuts += families.get((Kind.PHASE, Form.PREFIX), ())
    return tuple(sorted(cuts, key=lambda anchor: anchor.index))


def _without_teasers(anchors: Sequence[Anchor], lines: Sequence[Line]) -> list[Anchor]:
    """*anchors* without those of lines that only announce entries below."""
    listed = _listed(anchors, lines)
    anchors = [a for a in anchors if a.index not in listed]
    bulleted = {a.index for a in anchors if lines[a.index].traits.bulleted}
    plain = [a for a in anchors if a.index not in bulleted and a.kind is not Kind.DATE]
    if len(plain) >= _ENOUGH:
        anchors = [a for a in anchors if a.index not in bulleted]
    last = {fold(a.text[:_TEASER]): a.index for a in anchors if a.text}
    cutting = {a.index for a in anchors if a.kind is not Kind.PHASE}
    return [
        a
        for a in anchors
        if not a.text or last[fold(a.text[:_TEASER])] == a.index or a.index + 1 not in cutting
    ]


def _listed(anchors: Sequence[Anchor], lines: Sequence[Line]) -> range:
    """The lines under a label such as `Key Events` that come again below, and their times."""
    labels = (i for i, line in enumerate(lines[:_HEAD]) if is_key_points(line.text))
    start = next(labels, None)
    if start is None:
        return range(0)
    last = {fold(line.text): i for i, line in enumerate(lines) if line.traits.width < _TEASER}
    whole = {a.index for a in anchors if a.form is Form.WHOLE}
    end, comes_again = start + 1, False
    while end < len(lines):
        is_time = end in whole
        # The last teaser's time, unless it is that of the first entry, is followed by another.
        is_teasers = comes_again and (end + 1 in whole or _again(last, lines, end + 1))
        if not (is_teasers if is_time else _again(last, lines, end)):
            break
        comes_again = not is_time
        end += 1
    return range(start + 1, end)


def _again(last: Mapping[str, int], lines: Sequence[Line], index: int) -> bool:
    """Whether the line at *index* comes again further down."""
    return index < len(lines) and last.get(fold(lines[index].text[:_TEASER]), index) > index


def _without_page_stamps(anchors: Sequence[Anchor], lines: Sequence[Line]) -> list[Anchor]:
    """*anchors* without the page's own time and byline, which stand under its title."""
    kept = list(anchors)
    while len(kept) > 1 and kept[0].form is Form.WHOLE and kept[0].index < _PAGE_STAMPS:
        if not _is_page_stamp(kept[0], kept[1:], lines):
            break
        kept = kept[1:]
    return kept


def _is_page_stamp(first: Anchor, others: Sequence[Anchor], lines: Sequence[Line]) -> bool:
    if first.index <= 3 and _is_unlike(first, others, lines):
        return True
    in_head = first.index <= _head_ends(lines)
    return _is_dated_alone(first, others) or (in_head and _is_named_alone(first, others))


def _head_ends(lines: Sequence[Line]) -> int:
    """The last line that may still be of the page's head: where its first paragraph begins."""
    return next((i for i, line in enumerate(lines[:12]) if not looks_like_heading(line)), 12)


def _is_dated_alone(first: Anchor, others: Sequence[Anchor]) -> bool:
    """Whether *first* has a date, and hardly any of the *others*."""
    dated = sum(a.stamp.day is not None for a in others)
    return first.stamp.day is not None and 4 * dated < len(others)


def _is_named_alone(first: Anchor, others: Sequence[Anchor]) -> bool:
    """Whether *first* names its writer, and hardly any of the *others*."""
    named = sum(bool(a.people) for a in others)
    return bool(first.people) and 4 * named < len(others)


def _is_unlike(first: Anchor, others: Sequence[Anchor], lines: Sequence[Line]) -> bool:
    """Whether a paragraph follows *first*, where headings follow the *others*."""
    after = [looks_like_heading(line) for a in others for line in lines[a.index + 1 : a.index + 2]]
    own = [looks_like_heading(line) for line in lines[first.index + 1 : first.index + 2]]
    return own == [False] and len(after) >= 2 and 2 * sum(after) > len(after)
