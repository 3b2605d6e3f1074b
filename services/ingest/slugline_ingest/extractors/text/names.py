"""Names: bylines, and lines that are nothing but the name of who wrote."""

import re

from slugline_ingest.extractors.text.remembered import remembered

_PARTICLES = frozenset(
    [
        "de",
        "del",
        "della",
        "der",
        "den",
        "di",
        "da",
        "do",
        "dos",
        "das",
        "du",
        "la",
        "le",
        "van",
        "von",
        "vom",
        "zu",
        "zum",
        "ten",
        "ter",
        "al",
        "el",
        "ibn",
        "bin",
        "ben",
        "af",
        "av",
        "y",
        "e",
        "o",
    ]
)
#: Words that begin headlines and never a name.
_NO_NAMES = frozenset(
    [
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "of",
        "to",
        "for",
        "and",
        "or",
        "what",
        "why",
        "how",
        "who",
        "when",
        "where",
        "which",
        "is",
        "are",
        "was",
        "live",
        "key",
        "more",
        "new",
        "breaking",
        "full",
        "half",
        "goal",
        "red",
        "yellow",
        "card",
        "first",
        "second",
        "third",
        "final",
        "we",
        "they",
        "he",
        "she",
        "it",
        "you",
        "this",
        "that",
        "these",
        "those",
        "here",
        "there",
        "no",
        "not",
        "with",
        "from",
        "by",
        "as",
        "watch",
        "read",
        "listen",
        "see",
    ]
)
_SEPARATOR = re.compile(
    r"\s*(?:[,;/&]|\b(?:and|et|und|en|och|og|и|та|oraz|with|mit|avec)\b)\s*|\s+(?:y|e|i)\s+"
)
#: Words that part names from each other, or from a place.
_JOINT_WORDS = "and et und en och og и та oraz with mit avec y e i in at aus à em da"
_JOINTS = frozenset(_JOINT_WORDS.split())
_BYLINE = re.compile(
    r"(?:by|von|par|por|di|door|av|af|text|texte|texto|testo|tekst|autor|autora|auteur|autore"
    r"|author|(?:written|reported|edited|compiled|curated) by|автор|от)(?:\s*:\s*|\s+)(?P<names>\S.*)",
    re.IGNORECASE,
)
_FROM_DESK = re.compile(
    r"(?:(?:analysis|reporting|report)\s+)?(?:from|by)\s+(?:the\s+)?(?P<desk>[\w. ]{2,30}?)['’]s?\s+(?P<names>[^\W\d_].{3,90})",
    re.IGNORECASE,
)
_STAFF = re.compile(r"(?:From|By) (?:the )?(?P<desk>[A-Z][\w.' ]{2,30} (?:staff|team|desk))")
_PLACE = re.compile(r"\s+(?:in|at|aus|à|en|em|da)\s+[^\W\d_][\w ,.'’-]*$")
_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|['’.\-\u2010\u2011])*")

#: What stands with a name: `Political editor`, `BBC News correspondent`.
_ROLE = re.compile(
    r"\b(?:editor|correspondent|reporter|writer|journalist|producer|bureau chief|columnist|analyst"
    r"|redakteur(?:in)?|korrespondent(?:in)?|journaliste|correspondant|redactor(?:a)?"
    r"|corresponsal|giornalista|redacteur|verslaggever)s?\b"
    r"|^reporting (?:from|in|by)\b",
    re.IGNORECASE,
)
_LONGEST_NAME = 45
_LONGEST_ROLE = 60
_LONGEST_NAMES = 120
_NO_ENDS = tuple('.?!:…”"')


def is_name(text: str, *, capitals: bool = False) -> bool:
    """Whether *text* looks like the name of one person: `Jane Dalton`, `Ana de la Torre`.

    *capitals*: it may be in capitals throughout, as headings and labels often are.
    """
    tokens = text.split()
    if not 2 <= len(tokens) <= 5 or len(text) > _LONGEST_NAME:
        return False
    if tokens[0].casefold() in _NO_NAMES or tokens[-1].casefold() in _PARTICLES:
        return False
    return (capitals or not text.isupper()) and all(map(_is_name_token, tokens))


def _is_name_token(token: str) -> bool:
    if _TOKEN.fullmatch(token) is None:
        return False
    return token.casefold() in _PARTICLES or token[0].isupper()


@remembered
def people_of(text: str) -> tuple[str, ...]:
    """The people that *text* names and nothing else; none when there is anything else."""
    if len(text) > _LONGEST_NAMES or text[-1:] in _NO_ENDS or _begins_as_sentence(text):
        return ()
    parts = _parts(text)
    while len(parts) > 1 and is_role(parts[-1]):
        parts.pop()
    return tuple(parts) if parts and all(map(is_name, parts)) else ()


def _begins_as_sentence(text: str) -> bool:
    """Whether the second word of *text* is one that stands in no name; saves a closer look."""
    first, second = [*text.split(maxsplit=2), "", ""][:2]
    if not (first.isalpha() and second.isalpha() and second.islower()):
        return False
    return second not in _PARTICLES and second not in _JOINTS


def _parts(text: str) -> list[str]:
    bare = _PLACE.sub("", text.strip(" ,;|·-–—"))
    return [part for part in _SEPARATOR.split(bare) if part]


def byline_of(text: str) -> tuple[str, ...]:
    """The people of a line such as `By Jane Dalton and Tom Smith`; none when it is no such line."""
    if len(text) > _LONGEST_NAMES:
        return ()
    found = _BYLINE.fullmatch(text) or _FROM_DESK.fullmatch(text)
    if found is None:
        staff = _STAFF.fullmatch(text)
        return (staff["desk"],) if staff else ()
    parts = _parts(found["names"])
    # Behind the names may stand what they are, or whom they work for.
    while len(parts) > 1 and (is_role(parts[-1]) or not is_name(parts[-1], capitals=True)):
        parts.pop()
    return tuple(parts) if all(is_name(part, capitals=True) for part in parts) else ()


def is_role(text: str) -> bool:
    """Whether *text* says what somebody is: `Political editor`."""
    return len(text) <= _LONGEST_ROLE and text.count(" ") <= 6 and bool(_ROLE.search(text))
