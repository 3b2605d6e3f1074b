"""Labels: what each line under the lead is, decided for all lines together.

A heading, a card's headline and a short paragraph look alike; what tells them apart is what stands
around them. So every line is given a cost for each role it may play and every pair of neighbours a
cost for following each other, and the cheapest reading of the whole is taken (Viterbi's algorithm:
linear in the lines).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple

from slugline_ingest.extractors.text.captions import is_gallery_title
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.traits import End, Traits
from slugline_ingest.extractors.text.vocabulary import (
    MORE_FOLLOWS,
    announced_headline,
    is_card_intro,
    plain,
)
from slugline_ingest.extractors.text.words import Gist, gist_of, likeness


class Role(StrEnum):
    """What a line is. A card is the headline and the standfirst of another story."""

    LEAD = "paragraph above the first entry"
    HEADING = "heading of an entry"
    TEXT = "paragraph"
    ITEM = "line of a list without marks"
    CARD = "headline of a card"
    STANDFIRST = "second line of a card"
    CAPTION = "caption"
    INTRO = "what announces a card"
    LINK = "what announces a card, and its headline"
    ECHO = "the heading once more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the whole document says of how its lines are to be read.

    *headings*: whether lines may be headings at all; not so where times have already found them.
    *cards*: whether cards may be guessed; not so among hardly anything but headings. *spaced*: blank
    lines set blocks apart. *marked*: headings are marked as such. *stops*: headings end in stops.
    """

    headings: bool = True
    cards: bool = True
    spaced: bool = False
    marked: bool = False
    stops: bool = False


_L, _H, _T, _I = Role.LEAD, Role.HEADING, Role.TEXT, Role.ITEM
_C, _S, _P, _N, _E = Role.CARD, Role.STANDFIRST, Role.CAPTION, Role.INTRO, Role.ECHO
_K = Role.LINK

#: What it costs when the second follows the first; what is not here never happens.
_STEPS: dict[Role, dict[Role, float]] = {
    _L: {_L: 0.0, _H: 0.0, _P: 0.5},
    _H: {_T: 0.0, _H: 2.5, _C: 2.0, _P: 0.3, _N: 0.3, _K: 0.3, _E: 1.0, _I: 9.0},
    _T: {_T: 0.0, _I: 9.0, _H: 0.0, _C: 1.0, _P: 0.2, _N: 0.0, _K: 0.0},
    _I: {_I: 0.0, _T: 1.0, _H: 0.3, _C: 3.5, _P: 0.5, _N: 0.0, _K: 0.0},
    _C: {_S: 0.0, _H: 3.5, _C: 2.5, _T: 4.0, _P: 1.0, _N: 0.5, _K: 0.5},
    _S: {_H: 0.0, _C: 1.5, _T: 3.0, _P: 1.0, _N: 0.5, _K: 0.5},
    _P: {_T: 0.0, _H: 0.0, _C: 0.7, _P: 0.0, _N: 0.0, _K: 0.0, _L: 0.5, _I: 9.0},
    _N: {_C: 0.0, _T: 2.0, _I: 9.0, _H: 4.0, _P: 1.0},
    _K: {_T: 0.0, _H: 0.0, _C: 1.0, _P: 0.2, _N: 0.3, _K: 0.0, _I: 9.0},
    _E: {_T: 0.0, _H: 2.0, _C: 1.0, _P: 0.3, _N: 0.3, _K: 0.3},
}
#: What it costs to end on a role.
_LAST: dict[Role, float] = {_H: 1.5, _N: 1.0, _C: 3.0}

_ALIKE, _SAME = 2.5, 3.5
_ALIKE_FROM = 0.5
#: Readings this much dearer than the best are given up.
_BEAM = 14.0
_LONGEST_HEADING = 260
_NO_GIST = Gist("", frozenset())
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+$|pic\.twitter\.com/|[—–-] .*@\w+")
_CONTACT = re.compile(r"\S@\S|https?://|www\.")


class _Path(NamedTuple):
    """The cheapest reading that ends in a role, as a chain from the last line to the first."""

    cost: float
    role: Role
    heading: Gist
    before: "_Path | None"


def label(lines: Sequence[Line], reading: Reading, *, heading: str | None = None) -> list[Role]:
    """The role of each of *lines*; *heading* is that of the entry they belong to, if known."""
    start = Role.LEAD if reading.headings and heading is None else Role.HEADING
    paths = [_Path(0.0, start, gist_of(heading or ""), None)]
    colon = False
    for index, line in enumerate(lines):
        costs = role_costs(line, reading, after_colon=colon)
        if is_gallery_title(line.text) and any(
            below.traits.caption for below in lines[index + 1 : index + 2]
        ):
            costs = {Role.HEADING: 0.0, Role.LEAD: 0.0, Role.TEXT: 5.0}
        gist = gist_of(line.text) if Role.CARD in costs or Role.HEADING in costs else _NO_GIST
        paths = _advanced(paths, gist, costs, reading)
        colon = line.traits.end is End.COLON and Role.INTRO not in costs
    best = min(paths, key=lambda path: path.cost + _LAST.get(path.role, 0.0))
    return _roles(best)


def _roles(path: _Path) -> list[Role]:
    roles = []
    while path.before is not None:
        roles.append(path.role)
        path = path.before
    return roles[::-1]


def _advanced(
    paths: Sequence[_Path], gist: Gist, costs: dict[Role, float], reading: Reading
) -> list[_Path]:
    best: dict[Role, tuple[float, _Path]] = {}
    for path in paths:
        so_far = path.cost
        for role, step in _STEPS[path.role].items():
            own = costs.get(role)
            if own is None:
                continue
            cost = so_far + step + own
            least = best[role][0] if role in best else inf
            if role in _JUDGED and cost < least + _SAME:
                cost -= _bonus(path, role, gist, reading)
            if cost < least:
                best[role] = cost, path
    limit = min(cost for cost, _ in best.values()) + _BEAM if best else 0.0
    return [
        _Path(cost, role, gist if role is Role.HEADING else path.heading, path)
        for role, (cost, path) in best.items()
        if cost <= limit
    ] or _stuck(paths)


def _stuck(paths: Sequence[_Path]) -> list[_Path]:
    """No role fits: the line is taken for a paragraph, so that it is never lost."""
    best = min(paths, key=lambda path: path.cost)
    role = Role.LEAD if best.role is Role.LEAD else Role.TEXT
    return [_Path(best.cost + _BEAM, role, best.heading, best)]


#: The roles for which the entry's heading speaks, by no more than _SAME, or against.
_JUDGED = frozenset((Role.CARD, Role.HEADING, Role.ECHO))


def _bonus(path: _Path, role: Role, gist: Gist, reading: Reading) -> float:
    """What speaks for *role* in the light of the entry's heading; below zero: against it."""
    if role is Role.CARD:
        # A standfirst may well repeat the heading: that makes no second card of it.
        if path.role in (Role.INTRO, Role.CARD):
            return 1.0 if path.role is Role.INTRO else 0.0
        alike = likeness(path.heading, gist)
        if alike >= _ALIKE_FROM:
            return _SAME if alike > 1 else _ALIKE
        return 0.0 if reading.cards else -4.0
    if role is Role.HEADING and path.role is Role.HEADING and not reading.cards:
        return 2.2
    if role is Role.ECHO:
        return 0.0 if path.heading.folded == gist.folded else -_BEAM
    return 0.0


def role_costs(line: Line, reading: Reading, *, after_colon: bool = False) -> dict[Role, float]:
    """What each role that *line* may play costs."""
    if is_card_intro(line.text):
        return {Role.INTRO: 0.0, Role.TEXT: 6.0, Role.LEAD: 0.0}
    if announced_headline(line.text):
        return {Role.LINK: 0.0, Role.TEXT: 6.0, Role.LEAD: 0.0}
    if MORE_FOLLOWS.fullmatch(plain(line.text)):
        return {Role.TEXT: 0.0, Role.ITEM: 0.0, Role.LEAD: 0.0}
    text = text_cost(line, reading)
    costs = {Role.TEXT: text, Role.LEAD: text}
    if line.traits.width > _LONGEST_HEADING or line.traits.bulleted or _ADDRESS.match(line.text):
        return costs
    if line.traits.caption:
        return {**costs, Role.CAPTION: 0.0, Role.HEADING: heading_cost(line, reading) + 5.0}
    if after_colon or line.traits.end in (End.NONE, End.COMMA):
        costs[Role.ITEM] = _item_cost(line, reading) - 8.5 * after_colon
    if reading.headings:
        costs[Role.HEADING] = heading_cost(line, reading) + after_colon
    costs[Role.ECHO] = _card_cost(line, reading)
    costs[Role.CARD] = costs[Role.ECHO] + 2.0 * after_colon
    costs[Role.STANDFIRST] = _standfirst_cost(line)
    return costs


def looks_like_heading(line: Line) -> bool:
    """Whether *line*, by itself, looks more like a heading than like a paragraph."""
    text = line.text
    if line.marked or line.traits.bulleted:
        return line.marked
    if line.traits.caption or is_card_intro(text) or announced_headline(text):
        return False
    if line.traits.width > _LONGEST_HEADING:
        return False
    return heading_cost(line, Reading()) < text_cost(line, Reading())


def text_cost(line: Line, reading: Reading) -> float:
    """How little *line* looks like a paragraph."""
    traits = line.traits
    if traits.bulleted or traits.sentences > 2:
        return 0.0
    if traits.end is End.STOP:
        return 0.0 if traits.width >= 40 else 0.5
    if traits.end is End.COLON:
        return 0.5
    if traits.end is End.ASK:
        return 0.3 if traits.width > 130 or traits.sentences > 1 else 2.5
    if not reading.headings:
        return 1.0
    long = 1.0 if traits.width > 220 else 2.5 if traits.width > 160 else 5.0
    return max(0.5, long - 2.0 * (traits.lower + (traits.sentences > 1)))


def heading_cost(line: Line, reading: Reading) -> float:
    """How little *line* looks like a heading."""
    traits = line.traits
    cost = _HEADING_END[traits.end] if not (reading.stops and traits.end is End.STOP) else 0.0
    cost += max(0.0, (traits.width - 110) / 25)
    cost += 1.5 * (traits.sentences - 1) + 3.0 * traits.lower
    cost += 4.0 * _has_contact(line.text)
    if reading.spaced:
        cost += -1.0 if line.apart else 2.0
    if reading.marked:
        cost += -3.0 if line.marked else 4.0
    return cost - 2.0 * line.ruled


def _has_contact(text: str) -> bool:
    hinted = "@" in text or "://" in text or "www." in text
    return hinted and _CONTACT.search(text) is not None


_HEADING_END = {
    End.NONE: 0.0,
    End.ASK: 0.4,
    End.TRAILING_OFF: 1.0,
    End.STOP: 4.0,
    End.COLON: 4.0,
    End.COMMA: 6.0,
}


def _item_cost(line: Line, reading: Reading) -> float:
    if not reading.headings:
        return 0.2
    return 0.4 if line.traits.width < 40 else 1.2


def _card_cost(line: Line, reading: Reading) -> float:
    traits = line.traits
    cost = _HEADING_END[traits.end] + max(0.0, (traits.width - 130) / 25)
    cost += _shortness(traits) + 1.5 * (traits.sentences - 1)
    return cost + 2.0 * (reading.marked and line.marked) + 3.0 * traits.lower


def _shortness(traits: Traits) -> float:
    if traits.width >= 25 and traits.words >= 4:
        return 0.0
    return 1.0 if traits.width >= 15 and traits.words >= 3 else 2.0


def _standfirst_cost(line: Line) -> float:
    traits = line.traits
    cost = {End.NONE: 0.0, End.ASK: 0.3, End.STOP: 2.0}.get(traits.end, 2.0)
    cost += 2.0 * (traits.width < 25 or traits.words < 4) + 2.0 * (traits.sentences > 2)
    return cost + max(0.0, (traits.width - 220) / 25)
