"""Entries and blogs as they are pushed: checked at the edge, every mistake named."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, model_validator

from slugline.blog import Blog, BlogId, BlogState
from slugline.codec import to_json
from slugline.entry import ENTRY_ID, Entry, EntryId, Media, MediaKind, Related
from slugline.errors import InvalidInputError, Mistake
from slugline.web.bodies import Body, check
from slugline_ingest.flat import text_of
from slugline_ingest.identity import pushed_id
from slugline_ingest.sanitise import absolute, clean_html, clean_text, html_of, paragraphs_of

#: How many entries one request may hold.
MAX_ENTRIES = 10_000


#: How large an entry may be as JSON, in bytes; the log's records hold little more.
MAX_ENTRY_BYTES = 950_000
#: Instants outside of these are slips.
YEARS = range(1900, 2200)

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def _address(text: str) -> str:
    if not text.lower().startswith(("http://", "https://")) or absolute(text) != text:
        raise ValueError("give an absolute http or https address, its blanks as %20")
    return text


def _instant(value: Any) -> datetime:
    found = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found and not found["zone"]:
        raise ValueError("give the time zone: 2026-11-22T14:05:00Z or 2026-11-22T14:05:00+01:00")
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC) if found else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None or instant.year not in YEARS:
        raise ValueError("give an instant as RFC 3339, such as 2026-11-22T14:05:00Z")
    return instant


def _clean(text: Any) -> Any:
    return clean_text(text) if isinstance(text, str) else text


def _one_line(text: Any) -> Any:
    return " ".join(clean_text(text).split()) if isinstance(text, str) else text


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone such as Europe/London")
    return name


Line = Annotated[str, BeforeValidator(_one_line), Field(max_length=1_000)]
Paragraphs = Annotated[str, BeforeValidator(_clean), Field(max_length=20_000)]
BodyText = Annotated[str, BeforeValidator(_clean), Field(max_length=500_000)]
_ADDRESS_SCHEMA = {"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/]"}
Address = Annotated[
    str, Field(max_length=2_000, json_schema_extra=_ADDRESS_SCHEMA), AfterValidator(_address)
]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=100_000)]
EntryName = Annotated[str, Field(pattern=f"^{ENTRY_ID.pattern}$")]


class PushedMedia(Body):
    """A medium of an entry; sizes are in pixels."""

    url: Address | None = None
    kind: MediaKind = MediaKind.IMAGE
    width: Pixels | None = None
    height: Pixels | None = None
    alt: Line = ""
    caption: Paragraphs = ""
    credit: Line = ""

    @model_validator(mode="after")
    def _says_something(self) -> "PushedMedia":
        if not (self.url or self.caption or self.alt):
            raise ValueError("a medium needs a url or a caption")
        return self


class PushedRelated(Body):
    """A related story."""

    title: Line
    summary: Paragraphs = ""
    link: Address | None = None


class PushedEntry(Body):
    """One entry. Without an id it gets one from its title, body and `published`."""

    id: EntryName | None = None
    title: Line | None = None
    body_html: BodyText | None = None
    body_text: BodyText | None = None
    summary: Paragraphs = ""
    published: Instant | None = None
    updated: Instant | None = None
    authors: list[Line] = Field(default=[], max_length=50)
    link: Address | None = None
    media: list[PushedMedia] = Field(default=[], max_length=100)
    related: list[PushedRelated] = Field(default=[], max_length=100)
    tags: list[Line] = Field(default=[], max_length=100)
    key: StrictBool = False
    pinned: StrictBool = False

    @model_validator(mode="after")
    def _is_an_entry(self) -> "PushedEntry":
        if self.body_html is not None and self.body_text is not None:
            raise ValueError("give body_html or body_text, not both")
        if not (self.title or self.body_html or self.body_text or self.media):
            raise ValueError("an entry needs a title, a body or media")
        return self


class PushedBlog(Body):
    """What a blog says of itself; what is left out stays as it is, null takes it back."""

    title: Line | None = None
    description: Paragraphs | None = None
    lead: Paragraphs | None = None
    language: Annotated[str, Field(pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$")] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    link: Address | None = None
    state: Literal["live", "closed", "removed", "moved"] | None = None
    moved_to: Address | None = None
    coverage_start: Instant | None = None
    coverage_end: Instant | None = None

    @model_validator(mode="after")
    def _moves_somewhere(self) -> "PushedBlog":
        if (self.state == "moved") != (self.moved_to is not None):
            raise ValueError("state 'moved' and moved_to go together")
        return self

    def onto(self, blog: Blog) -> Blog:
        """*blog*, with what is said here."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if "state" in said:
            said["state"] = BlogState(self.state or "live")
            said["moved_to"] = self.moved_to
        fields = Blog.__dataclass_fields__
        taken_back = {name: fields[name].default for name, value in said.items() if value is None}
        return replace(blog, **said | taken_back)


def read_entries(value: Any) -> list[PushedEntry]:
    """One entry or a list of them. Raises InvalidInputError that names every mistake by its index."""
    if not isinstance(value, list):
        return [check(PushedEntry, value)]
    if len(value) > MAX_ENTRIES:
        raise InvalidInputError(Mistake("", f"{len(value)} entries; send at most {MAX_ENTRIES}"))
    entries: list[PushedEntry] = []
    mistakes: list[Mistake] = []
    for index, item in enumerate(value):
        try:
            entries.append(check(PushedEntry, item, f"[{index}]"))
        except InvalidInputError as error:
            mistakes += error.mistakes
    mistakes += _repeated(value)
    if mistakes:
        raise InvalidInputError(*mistakes)
    return entries


def _repeated(values: list[Any]) -> list[Mistake]:
    names = [item.get("id") if isinstance(item, dict) else None for item in values]
    first: dict[str, int] = {}
    mistakes = []
    for index, name in enumerate(names):
        if not isinstance(name, str):
            continue
        if name in first:
            mistakes.append(Mistake(f"[{index}].id", f"is that of [{first[name]}] too"))
        first.setdefault(name, index)
    return mistakes


def entries_of(
    pushed: Sequence[PushedEntry], blog_id: BlogId, now: datetime, *, listed: bool = True
) -> list[Entry]:
    """*pushed* as entries of a blog, of those without an id that say the same only one.

    They count as sent one after the other: those without `published` were published *now*,
    inferred, each a microsecond after the one before it. Raises InvalidInputError for those of which
    sanitising leaves nothing, and those too large for the log; *listed*: named by their index.
    """
    mistakes: list[Mistake] = []
    entries: dict[EntryId, Entry] = {}
    for index, item in enumerate(pushed):
        entry = entry_of(item, blog_id, now + index * timedelta(microseconds=1))
        wrong = _wrong_with(entry)
        if wrong:
            mistakes.append(
                Mistake(f"[{index}].{wrong.field}" if listed else wrong.field, wrong.message)
            )
        entries.setdefault(entry.id, entry)
    if mistakes:
        raise InvalidInputError(*mistakes)
    return list(entries.values())


def _wrong_with(entry: Entry) -> Mistake | None:
    if not (entry.title or entry.body_html or entry.media):
        return Mistake("body_html", "nothing of it may be shown, and there is no title")
    size = len(orjson.dumps(to_json(entry)))
    if size > MAX_ENTRY_BYTES:
        message = f"an entry of {size:,} bytes is over the limit of {MAX_ENTRY_BYTES:,}; split it"
        return Mistake("body_html" if entry.body_html else "media", message)
    return None


def entry_of(pushed: PushedEntry, blog_id: BlogId, now: datetime) -> Entry:
    """*pushed* as an entry of a blog. Without `published` it was published *now*, inferred."""
    body_text = "\n\n".join(paragraphs_of(pushed.body_text or ""))
    body_html = clean_html(pushed.body_html) if pushed.body_html else html_of(body_text)
    name = pushed.id or pushed_id(
        pushed.title, pushed.body_html or pushed.body_text or "", pushed.published
    )
    published = pushed.published or now
    return Entry(
        blog_id=blog_id,
        id=EntryId(name),
        published=published,
        updated=pushed.updated or published,
        title=pushed.title or None,
        body_html=body_html,
        body_text=text_of(body_html) if pushed.body_html else body_text,
        summary=pushed.summary,
        authors=tuple(name for name in pushed.authors if name),
        link=pushed.link,
        media=tuple(Media(**m.model_dump()) for m in pushed.media),
        related=tuple(Related(**r.model_dump()) for r in pushed.related),
        tags=tuple(tag for tag in pushed.tags if tag),
        key_event=pushed.key,
        pinned=pushed.pinned,
        inferred=() if pushed.published else ("published",),
    )
