"""Signatures: lines that are nothing but the name of who wrote, and what they are."""

from collections.abc import Collection, Iterator, Sequence

from slugline_ingest.extractors.text.anchors import Anchor, Form
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.names import is_role, people_of
from slugline_ingest.extractors.text.words import fold

#: How far from an anchor the line with a name may stand.
_OFFSETS = (1, -1, 2)
#: How many lines below an anchor may hold a name that is known from elsewhere, or has a role.
_BELOW = 4
_SELDOM, _MOSTLY = 0.4, 0.75


def name_lines(
    lines: Sequence[Line], cuts: Sequence[Anchor], notes: Collection[int], writers: Collection[str]
) -> set[int]:
    """The lines beside *cuts* that are signatures: names of *writers*, and their roles.

    A name alone could be a heading. It is a signature where a name stands at that place in most
    entries, where a role stands below it, and where it is known from another signature.
    """
    if cuts[0].form is not Form.WHOLE:
        return set()
    taken = {anchor.index for anchor in cuts} | set(notes)
    named = _at_places(lines, cuts, taken)
    below = [i for i in _lines_below(lines, cuts, taken) if people_of(lines[i].text)]
    named |= {i for i in below if _is_role_at(lines, i + 1)}
    known = {fold(name) for i in named for name in people_of(lines[i].text)}
    known |= {fold(name) for name in writers}
    named |= {i for i in below if known.issuperset(map(fold, people_of(lines[i].text)))}
    return named | {i + 1 for i in named if _is_role_at(lines, i + 1)}


def _at_places(lines: Sequence[Line], cuts: Sequence[Anchor], taken: Collection[int]) -> set[int]:
    """The names at a place beside the cuts where names stand in most entries."""
    found: set[int] = set()
    for offset in _OFFSETS:
        places = [cut.index + offset for cut in cuts]
        named = [
            i for i in places if 0 <= i < len(lines) and i not in taken and people_of(lines[i].text)
        ]
        repeated = len({fold(lines[i].text) for i in named}) < len(named)
        if len(named) >= 2 and len(named) >= (_SELDOM if repeated else _MOSTLY) * len(cuts):
            found.update(named)
    return found


def _lines_below(
    lines: Sequence[Line], cuts: Sequence[Anchor], taken: Collection[int]
) -> Iterator[int]:
    for cut in cuts:
        for index in range(cut.index + 1, min(cut.index + 1 + _BELOW, len(lines))):
            if index not in taken:
                yield index


def _is_role_at(lines: Sequence[Line], index: int) -> bool:
    return index < len(lines) and is_role(lines[index].text)
