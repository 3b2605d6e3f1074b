"""Tail: what stands below the last entry and is not the blog's."""

from collections.abc import Sequence

from slugline_ingest.extractors.text.boilerplate import is_tail_heading
from slugline_ingest.extractors.text.labels import looks_like_heading
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.traits import End
from slugline_ingest.extractors.text.vocabulary import is_card_intro
from slugline_ingest.extractors.text.words import gist_of, likeness

#: One card's two lines may follow such a heading inside the last entry.
_CARD = 2
_LOOKED_AT = 6
_PROSE_WIDTH = 140
#: A second line this much longer than the first is its standfirst.
_STANDFIRST, _ALIKE = 1.6, 0.5
#: That many of the lines next below may still be sentences, as teasers sometimes are.
_SOME = 1
_PROSE_SHARE = 0.2


def tail_start(lines: Sequence[Line], start: int = 0) -> int:
    """Where, at or after *start*, the links to other stories at the end of the page begin.

    They are headed as such, and hardly anything but headlines follows.
    """
    prose = [_is_prose(line) for line in lines]
    left = sum(prose[start:])
    two = len(lines) - _CARD - 1
    for index in range(start, len(lines) - _CARD):
        few = left <= _PROSE_SHARE * (len(lines) - index)
        below = range(index + 1, min(index + 1 + _LOOKED_AT, len(lines)))
        if few and is_tail_heading(lines[index].text) and sum(prose[i] for i in below) <= _SOME:
            # `Read more:` may also head a single card within an entry, and text follows.
            stops = any(lines[i].traits.end is End.STOP for i in below)
            is_card = stops and is_card_intro(lines[index].text)
            if not is_card and (index < two or _are_two_links(lines, index)):
                return index
        left -= prose[index]
    return len(lines)


def _are_two_links(lines: Sequence[Line], index: int) -> bool:
    """Whether the last two lines, below *index*, are two headlines rather than one card.

    A standfirst is longer than its headline or speaks of the same; and what announces cards all
    over a page announces one in its last entry too.
    """
    heading, first, second = lines[index:]
    if heading.traits.end is End.COLON or not all(map(looks_like_heading, (first, second))):
        return False
    if second.traits.width > _STANDFIRST * first.traits.width:
        return False
    alike = likeness(gist_of(first.text), gist_of(second.text)) >= _ALIKE
    return not alike and all(line.text != heading.text for line in lines[:index])


def _is_prose(line: Line) -> bool:
    """Whether *line* is of a text; a question inside a headline makes no two sentences of it."""
    traits = line.traits
    signs = (traits.sentences > 1, traits.end is End.STOP, traits.width > _PROSE_WIDTH)
    return sum(signs) >= 2
