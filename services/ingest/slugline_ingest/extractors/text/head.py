"""Head: the blog's own texts above its first entry."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slugline_ingest.extractors.text.anchors import Anchor
from slugline_ingest.extractors.text.labels import looks_like_heading
from slugline_ingest.extractors.text.lines import Line, are_blanks_telling
from slugline_ingest.extractors.text.names import is_role, people_of
from slugline_ingest.extractors.text.stamps import Day
from slugline_ingest.extractors.text.traits import End, without_bullet
from slugline_ingest.extractors.text.vocabulary import (
    KEY_EVENT,
    MAYBE_LIVE,
    SURELY_LIVE,
    is_key_points,
    plain,
)
from slugline_ingest.extractors.text.words import Gist, fold, gist_of, is_typo, likeness

_HEAD = 120
_LONGEST_TITLE = 260
_LONGEST_SENTENCE_TITLE = 140
_LONGEST_FURNITURE = 70
_LONGEST_MENU = 40
_LONGEST_STANDFIRST = 240
_WORDS_OF_STANDFIRST = 4
_LONGEST_SENTENCES = 130
_TEASERS_WITHIN = 60
_ALIKE = 0.6
#: How much of a line is read to know whether it is a title.
_READ = 300
_TOP = 3
_BY = re.compile(r"By (?:the )?[A-Z][^.?!]{2,80}$")
#: Where a teaser says when its entry was published.
_TIME_END = re.compile(r"\s*(?:[(\[][^()\[\]]*\d[^()\[\]]*[)\]]|\d{1,2}[:.]\d\d)$")


@dataclass(frozen=True, slots=True)
class Head:
    """*day* is the date that the page says it has; *rest* are the lines under the standfirst."""

    title: str
    description: str
    rest: tuple[int, ...]
    day: Day | None = None


def split_head(lines: Sequence[Line], notes: Mapping[int, Anchor]) -> Head:
    """The title and the standfirst of *lines*, and what follows them.

    *notes* are the times and bylines among them, by index: they are the page's, not an entry's.
    """
    stamps = {i: a for i, a in notes.items() if i < _HEAD}
    day = next((a.stamp.day for _, a in sorted(stamps.items()) if a.stamp.day), None)
    text = [i for i in range(len(lines)) if i not in notes and not _is_signature(lines, i, stamps)]
    at = _title_at([lines[i] for i in text[:_HEAD]])
    if at is None:
        return Head("", "", tuple(text), day)
    title = lines[text[at]].text
    # What stands above the title is the page's menu, but for lines too long for one.
    above = tuple(i for i in text[:at] if lines[i].traits.width > _LONGEST_MENU)
    rest = [
        i
        for n, i in enumerate(text[at + 1 :])
        if n > 3 or fold(lines[i].text[:_READ]) != fold(title)
    ]
    if rest and _is_standfirst([lines[i] for i in rest[:3]], spaced=are_blanks_telling(lines)):
        return Head(title, lines[rest[0]].text, (*above, *rest[1:]), day)
    return Head(title, "", (*above, *rest), day)


def _is_signature(lines: Sequence[Line], index: int, notes: Mapping[int, Anchor]) -> bool:
    """Whether a line names who wrote the page: a name or role beside its date or its byline."""
    if not 0 < index < _HEAD:
        return False
    text = lines[index].text
    if index <= _TOP and _BY.match(text):
        return True
    if any(i in notes for i in range(index - 3, index + 4)):
        return bool(people_of(text) or is_role(text) or _BY.match(text))
    return _is_name_and_role(lines[index : index + 2]) or _is_name_and_role(
        lines[index - 1 : index + 1]
    )


def _is_name_and_role(pair: Sequence[Line]) -> bool:
    return len(pair) == 2 and bool(people_of(pair[0].text)) and is_role(pair[1].text)


def _title_at(lines: Sequence[Line]) -> int | None:
    """Which line is the title: one that says it is live, below nothing but menus, or the first."""
    titled = False
    for index, line in enumerate(lines):
        text = line.text[:_READ]
        live = SURELY_LIVE.search(text) or (index < 3 and MAYBE_LIVE.search(text))
        if live and line.traits.words >= 4 and looks_like_heading(line):
            return index
        titled = titled or (line.traits.words >= 3 and looks_like_heading(line))
        if titled and line.traits.width > _LONGEST_FURNITURE and line.traits.end is End.STOP:
            break
    return 0 if lines and _may_be_title(lines[:2]) else None


def _may_be_title(lines: Sequence[Line]) -> bool:
    """Whether the first line heads the page; some titles end in a full stop or are very long."""
    first = lines[0]
    if looks_like_heading(first):
        return True
    if first.traits.end is not End.STOP:
        return first.traits.width <= _LONGEST_TITLE and not first.traits.bulleted
    said = is_live_title(first.text) or any(map(looks_like_heading, lines[1:]))
    return said and first.traits.width <= _LONGEST_SENTENCE_TITLE


def _is_standfirst(rest: Sequence[Line], *, spaced: bool) -> bool:
    first, below = rest[0], rest[1:]
    traits = first.traits
    # A label such as `Die wichtigsten Entwicklungen` with nothing under it heads no teasers.
    labels = is_key_points(first.text) and (bool(below) or traits.words < _WORDS_OF_STANDFIRST)
    if traits.bulleted or labels or traits.width > _LONGEST_STANDFIRST:
        return False
    if spaced and first.apart and below and not below[0].apart:
        return not looks_like_heading(first)
    if looks_like_heading(first):
        return True
    if spaced and not first.apart:
        return True
    return traits.width <= _LONGEST_SENTENCES and traits.sentences <= 2 and traits.end is End.STOP


def is_live_title(*texts: str) -> bool:
    """Whether one of *texts* says outright that the page is live."""
    return any(SURELY_LIVE.search(text[:_READ]) for text in texts)


def without_teasers(rest: Sequence[Line], titles: Iterable[str]) -> list[str]:
    """The paragraphs of the lead: *rest* without lines that only announce entries titled *titles*.

    A teaser that no entry repeats stays, so that nothing is lost.
    """
    known = {gist.folded: gist for gist in map(gist_of, titles)}
    lead, in_list = [], False
    for count, line in enumerate(rest):
        if is_key_points(line.text) or KEY_EVENT.fullmatch(plain(line.text)):
            in_list = True
            continue
        in_list = in_list and (line.traits.bulleted or looks_like_heading(line))
        if count >= _TEASERS_WITHIN or line.traits.width > _READ:
            lead.append(line.text)
            continue
        may_announce = in_list or line.traits.bulleted or fold(line.text) in known
        if not (may_announce and _is_repeated(line, known)):
            lead.append(line.text)
    return lead


def _is_repeated(line: Line, titles: Mapping[str, Gist]) -> bool:
    teaser = gist_of(_TIME_END.sub("", without_bullet(line.text)))
    if teaser.folded in titles:
        return True
    words = set(teaser.folded.split())
    return any(
        likeness(teaser, gist) >= _ALIKE
        and (words <= set(title.split()) or is_typo(teaser.folded, title))
        for title, gist in titles.items()
    )


def teasers_end(lines: Sequence[Line], start: int) -> int:
    """Where the list of teasers that begins at *start*, below its label, is over.

    Teasers are list lines; or lines like headings, up to one that repeats a teaser, for that is an
    entry, and never the last of them, for that has a paragraph under it.
    """
    end = start
    while end < len(lines) and lines[end].traits.bulleted:
        end += 1
    if end > start:
        return end
    seen: set[str] = set()
    while end < len(lines) and looks_like_heading(lines[end]):
        folded = fold(lines[end].text)
        if folded in seen:
            return end
        seen.add(folded)
        end += 1
    return start if end == len(lines) else max(start, end - 1)
