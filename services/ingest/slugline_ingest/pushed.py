"""Entries and blogs as they are pushed: checked at the edge, every mistake named."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from slugline.blog import Blog, BlogId, BlogState
from slugline.entry import ENTRY_ID, Entry, EntryId, Media, MediaKind, Related
from slugline.errors import InvalidInputError, Mistake
from slugline.web.bodies import Body, check
from slugline_ingest.identity import pushed_id
from slugline_ingest.sanitise import clean_html, clean_text, html_of, text_of

#: How many entries one request may hold.
MAX_ENTRIES = 10_000


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an absolute http or https address")
    return text


def _clean(text: Any) -> Any:
    return clean_text(text) if isinstance(text, str) else text


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone such as Europe/London")
    return name


Line = Annotated[str, BeforeValidator(_clean), Field(max_length=1_000)]
Paragraphs = Annotated[str, BeforeValidator(_clean), Field(max_length=20_000)]
BodyText = Annotated[str, BeforeValidator(_clean), Field(max_length=500_000)]
Address = Annotated[str, Field(max_length=2_000), AfterValidator(_address)]
EntryName = Annotated[str, Field(pattern=f"^{ENTRY_ID.pattern}$")]


class PushedMedia(Body):
    """A medium of an entry; sizes are in pixels."""

    url: Address | None = None
    kind: MediaKind = MediaKind.IMAGE
    width: int | None = Field(None, ge=1, le=100_000)
    height: int | None = Field(None, ge=1, le=100_000)
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
    published: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    authors: list[Line] = Field(default=[], max_length=50)
    link: Address | None = None
    media: list[PushedMedia] = Field(default=[], max_length=100)
    related: list[PushedRelated] = Field(default=[], max_length=100)
    tags: list[Line] = Field(default=[], max_length=100)
    key: bool = False
    pinned: bool = False

    @model_validator(mode="after")
    def _is_an_entry(self) -> "PushedEntry":
        if self.body_html is not None and self.body_text is not None:
            raise ValueError("give body_html or body_text, not both")
        if not (self.title or self.body_html or self.body_text or self.media):
            raise ValueError("an entry needs a title, a body or media")
        return self


class PushedBlog(Body):
    """What a blog says of itself; what is left out stays as it is."""

    title: Line | None = None
    description: Paragraphs | None = None
    lead: Paragraphs | None = None
    language: Annotated[str, Field(pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$")] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    link: Address | None = None
    state: Literal["live", "closed", "removed", "moved"] | None = None
    moved_to: Address | None = None
    coverage_start: AwareDatetime | None = None
    coverage_end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _moves_somewhere(self) -> "PushedBlog":
        if (self.state == "moved") != (self.moved_to is not None):
            raise ValueError("state 'moved' and moved_to go together")
        return self

    def onto(self, blog: Blog) -> Blog:
        """*blog*, with what is said here."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.state:
            said["state"] = BlogState(self.state)
        kept = {name: getattr(blog, name) for name in Blog.__dataclass_fields__}
        empty = dict.fromkeys(("title", "description", "lead", "language"), "")
        said = {
            n: v if v is not None else empty.get(n, kept[n] if n == "timezone" else None)
            for n, v in said.items()
        }
        return Blog(**{**kept, **said, "moved_to": self.moved_to})


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


def entry_of(pushed: PushedEntry, blog_id: BlogId, now: datetime, name: str | None = None) -> Entry:
    """*pushed* as an entry of a blog. Without `published` it was published *now*, inferred."""
    body_html = (
        clean_html(pushed.body_html) if pushed.body_html else html_of(pushed.body_text or "")
    )
    body_text = text_of(body_html) if pushed.body_html else (pushed.body_text or "").strip()
    given = pushed.id or pushed_id(
        pushed.title, pushed.body_html or pushed.body_text or "", pushed.published
    )
    published = pushed.published or now
    return Entry(
        blog_id=blog_id,
        id=EntryId(name or given),
        published=published,
        updated=pushed.updated or now,
        title=pushed.title or None,
        body_html=body_html,
        body_text=body_text,
        summary=pushed.summary,
        authors=tuple(pushed.authors),
        link=pushed.link,
        media=tuple(Media(**m.model_dump()) for m in pushed.media),
        related=tuple(Related(**r.model_dump()) for r in pushed.related),
        tags=tuple(pushed.tags),
        key_event=pushed.key,
        pinned=pushed.pinned,
        inferred=() if pushed.published else ("published",),
    )
