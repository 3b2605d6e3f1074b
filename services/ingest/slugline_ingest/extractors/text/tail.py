"""Tail: what stands below the last entry and is not the blog's."""

from collections.abc import Sequence

from slugline_ingest.extractors.text.boilerplate import is_tail_heading
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.traits import End
from slugline_ingest.extractors.text.vocabulary import is_card_intro

#: One card's two lines may follow such a heading inside the last entry.
_CARD = 2
_LOOKED_AT = 6
_PROSE_WIDTH = 140
#: That many of the lines next below may still be sentences, as teasers sometimes are.
_SOME = 1
_PROSE_SHARE = 0.2


def tail_start(lines: Sequence[Line], start: int = 0) -> int:
    """Where, at or after *start*, the links to other stories at the end of the page begin.

    They are headed as such, and hardly anything but headlines follows.
    """
    prose = [_is_prose(line) for line in lines]
    left = sum(prose[start:])
    for index in range(start, len(lines) - _CARD - 1):
        few = left <= _PROSE_SHARE * (len(lines) - index)
        below = range(index + 1, min(index + 1 + _LOOKED_AT, len(lines)))
        if few and is_tail_heading(lines[index].text) and sum(prose[i] for i in below) <= _SOME:
            # `Read more:` may also head a single card within an entry, and text follows.
            stops = any(lines[i].traits.end is End.STOP for i in below)
            if not (stops and is_card_intro(lines[index].text)):
                return index
        left -= prose[index]
    return len(lines)


def _is_prose(line: Line) -> bool:
    traits = line.traits
    return traits.sentences > 1 or (traits.end is End.STOP and traits.width > _PROSE_WIDTH)
