"""Boilerplate: furniture of the page taken out of its lines, by the list and by what it says."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from slugline_ingest.extractors.text.known_boilerplate import LINES, OPENINGS, TAIL_HEADINGS
from slugline_ingest.extractors.text.lines import Line, line_of
from slugline_ingest.extractors.text.names import is_name, is_role
from slugline_ingest.extractors.text.remembered import remembered
from slugline_ingest.extractors.text.traits import End


def _alternatives(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_LINE = _alternatives(LINES)
_OPENING = _alternatives(OPENINGS)
_TAIL_HEADING = _alternatives(TAIL_HEADINGS)
#: How much of a line is read to know how it begins; more than any opening takes.
_OPENING_READ = 400
_CURLY = str.maketrans("‘’‚′“”„", "''''\"\"\"")
_LONGEST_LABEL = 60
_LONGEST_APPEAL = 3000
#: Longer lines are not looked into for furniture that is glued to them.
_LONGEST_GLUED = 20_000

#: A sentence glued to the next: a full stop and no blank, as in `…the difference.The council`.
_GLUE = re.compile(
    r"(?<=[^\W\d_][.!?])(?=[\"“‘'«]?[^\W\d_a-zß-öø-ÿа-я])|(?<=[.!?][”’»\"])(?=[^\W\d_])"
)
#: A known opening glued to the end of a caption, as in `…Old Trafford winYour support helps`.
_GLUED_OPENING = re.compile(
    r"(?<=[a-zß-öø-ÿ\d)’”])(?=(?:Your|Support|Sign|Subscribe|Join|Read|Want|Get|Since)\b)"
)
#: Without a match of the second there is none of the first, and it is quicker.
_GLUES = (
    (_GLUE, re.compile(r"[.!?]\S")),
    (_GLUED_OPENING, re.compile("Your|Support|Sign|Subscribe|Join|Read|Want|Get|Since")),
)

#: What an appeal to readers speaks of; it has to name who asks, who is asked, and for what.
_ASKED = re.compile(
    r"\b(?:you|your|readers?|ihr|ihre|ihrer|ihnen|sie|vous|votre|vos|tu|su|te|voi)\b", re.I
)
_ASKING = re.compile(
    r"\b(?:us|our|we|uns|unser\w*|wir|nous|notre|nos|nosotros|nuestr\w+|noi|nostr\w+)\b", re.I
)
_GIFT = re.compile(
    r"\b(?:gifts?|give|help(?:s|ing)?|helfen|aide[rz]?|support(?:s|ers?|ing)?|donat\w+|contribut\w+|member(?:ship|s)?|subscri\w+|paywalls?"
    r"|spende\w*|unterstütz\w+|abonn\w+|soutien|soutenez|soutenir|dons?|apoy\w+|don[ao]\w*"
    r"|suscri\w+|sosten\w+|abbona\w+)\b",
    re.I,
)
_TRADE = re.compile(
    r"\b(?:journalis\w+|reporters?|reporting|newsrooms?|stor(?:y|ies)|independent|coverage|reporta\w+"
    r"|redaktion|presse|periodis\w+|redacción|giornalis\w+|unabhängig\w*|indépendan\w+|independiente\w*"
    r"|indipendent\w+|afford|truth|facts)\b",
    re.I,
)
_QUOTED = re.compile(
    r"[“\"„«].{3,}[”\"“»]|\b(?:said|says|told|sagte|erklärte|dijo|a dit|ha detto)\b"
)
_SHORT_APPEAL = re.compile(r"\b(?:us|our|uns|nous|nuestro|notre)\b", re.I)


def _straight(text: str) -> str:
    return text if text.isascii() else text.translate(_CURLY)


@remembered
def is_boilerplate(text: str) -> bool:
    """Whether *text* as a whole is on the list of furniture."""
    plain = _straight(text[:_OPENING_READ]).strip(" .>»→›|•-–—").lower()
    if len(plain) <= _LONGEST_LABEL and _LINE.fullmatch(plain):
        return True
    return _OPENING.match(plain) is not None


def is_appeal(text: str) -> bool:
    """Whether *text* asks readers for support: it says you and we, a gift and the trade."""
    if len(text) > _LONGEST_APPEAL:
        return False
    plain = _straight(text)
    if not (_GIFT.search(plain) and _TRADE.search(plain)) or _QUOTED.search(plain):
        return False
    return bool(_ASKED.search(plain) and _ASKING.search(plain))


def is_tail_heading(text: str) -> bool:
    """Whether *text* heads a list of other stories."""
    if len(text) > 2 * _LONGEST_LABEL:
        return False
    plain = _straight(text).strip(" .:>»→›|•-–—").lower()
    return len(plain) <= _LONGEST_LABEL and _TAIL_HEADING.fullmatch(plain) is not None


def without_boilerplate(lines: Sequence[Line]) -> list[Line]:
    """*lines* without what the list knows; furniture glued to real text is cut off from it."""
    kept: list[Line] = []
    for line in lines:
        parts = _parts(line.text)
        if len(parts) == 1:
            kept += [] if is_boilerplate(line.text) else [line]
            continue
        texts = [part.strip() for part in parts if not is_boilerplate(part)]
        kept += [line_of(text, apart=line.apart, ruled=line.ruled) for text in texts if text]
    return kept


def _parts(text: str) -> list[str]:
    """*text* cut where a piece of furniture is glued to it; whole when there is none."""
    if len(text) > _LONGEST_GLUED:
        return [text]
    glues = [glue for glue, hint in _GLUES if hint.search(text)]
    cuts = {found.start() for glue in glues for found in glue.finditer(text)}
    if not cuts:
        return [text]
    edges = [0, *sorted(cuts), len(text)]
    parts = [text[a:b] for a, b in pairwise(edges)]
    marks = [is_boilerplate(part) or is_appeal(part) or _may_end_appeal(part) for part in parts]
    return ["".join(run) for run in _runs(parts, marks)]


def _runs(parts: Sequence[str], marks: Sequence[bool]) -> list[list[str]]:
    """*parts* in runs: a marked part stands alone, others stay together."""
    runs: list[list[str]] = []
    joins = False
    for part, mark in zip(parts, marks, strict=True):
        if joins and not mark:
            runs[-1].append(part)
        else:
            runs.append([part])
        joins = not mark
    return runs


def without_appeals(head: Sequence[Line]) -> list[Line]:
    """*head*, the first lines of a dump, without their appeal for support.

    An appeal is more than the lines that ask. What stands between two of them belongs to it, so
    do a short line that heads it, a short one that ends it, and who signs it.
    """
    asking = [index for index, line in enumerate(head) if is_appeal(line.text)]
    if not asking:
        return list(head)
    first, last = asking[0], asking[0]
    for index in asking[1:]:
        last = index if index - last <= 3 else last
    heads = [i for i in range(max(1, first - 3), first) if _heads_appeal(head[i])]
    first = heads[0] if heads else first
    last += sum(1 for line in head[last + 1 : last + 2] if _may_end_appeal(line.text))
    last += _signature(head[last + 1 : last + 3])
    return [*head[:first], *head[last + 1 :]]


def _may_end_appeal(text: str) -> bool:
    """Whether *text* thanks or asks in few words: furniture beside an appeal, not by itself."""
    if len(text) > 160 or _QUOTED.search(text):
        return False
    return bool(_ASKED.search(text) and _GIFT.search(text))


def _heads_appeal(line: Line) -> bool:
    short = line.traits.width <= 80 and line.traits.end is not End.STOP
    return short and bool(_SHORT_APPEAL.search(line.text)) and bool(_GIFT.search(line.text))


def _signature(below: Sequence[Line]) -> int:
    """How many of the lines *below* sign an appeal: a name, a role."""
    signed = 0
    for line in below:
        if not (is_name(line.text) or is_role(line.text)):
            break
        signed += 1
    return signed
