"""What pages show, worked out of entries and blogs: times in the blog's zone, days, figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from slugline.blog import Blog, BlogState
from slugline.clock import rfc3339
from slugline.entry import Entry, Related
from slugline_syndicate.feeds.content import figure, paragraph, title_of
from slugline_syndicate.feeds.formats import feed_language, feed_title
from slugline_syndicate.links import anchor, blog_url, shown_at

#: An edit so soon after publication is not worth telling.
SOON = timedelta(minutes=1)

#: Languages that are written from right to left.
_RIGHT_TO_LEFT = frozenset(
    ["ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """An entry as the template takes it; `Markup` was made safe at ingest."""

    anchor: str
    direction: str
    url: str
    title: str | None
    name: str
    day: str
    time: str
    datetime: str
    edited: str
    edited_datetime: str
    authors: Sequence[str]
    body: Markup
    figures: Sequence[Markup]
    related: Sequence[Related]
    link: str | None
    key_event: bool
    pinned: bool
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The entries of one day in the blog's zone. (Not `items`: a dict's method in templates.)"""

    name: str
    entries: Sequence[ShownEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBlog:
    """A blog in the list of all."""

    url: str
    title: str
    description: str
    language: str
    direction: str
    closed: bool
    changed: str
    changed_datetime: str


def zone_of(blog: Blog) -> ZoneInfo:
    """The blog's zone; UTC where the machine does not know it."""
    try:
        return ZoneInfo(blog.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local(instant: datetime, blog: Blog) -> datetime:
    """*instant* in the blog's zone; as it is where the calendar ends (years 1 and 9999)."""
    try:
        return instant.astimezone(zone_of(blog))
    except OverflowError:
        return instant


def direction(blog: Blog) -> str:
    """How the blog is written: `rtl`, `ltr`, or `auto` where its language is not known."""
    if not blog.language:
        return "auto"
    return "rtl" if blog.language.lower().split("-")[0] in _RIGHT_TO_LEFT else "ltr"


def show_entry(blog: Blog, entry: Entry, public_url: str) -> ShownEntry:
    """*entry* as it is shown."""
    published = local(entry.published, blog)
    body = entry.body_html or paragraph(entry.summary)
    return ShownEntry(
        anchor=anchor(entry.id),
        direction=direction(blog),
        url=shown_at(public_url, entry),
        title=entry.title,
        name=title_of(entry),
        day=day_name(published, blog.language),
        time=f"{published:%H:%M}",
        datetime=rfc3339(entry.published),
        edited=_edited(blog, entry),
        edited_datetime=rfc3339(entry.updated),
        authors=entry.authors,
        body=Markup(body),  # noqa: S704 - sanitised before it reached the log
        figures=[Markup(figure(medium)) for medium in entry.media],  # noqa: S704 - escaped there
        related=entry.related,
        link=entry.link,
        key_event=entry.key_event,
        pinned=entry.pinned,
        withdrawn=entry.withdrawn is not None,
    )


def _edited(blog: Blog, entry: Entry) -> str:
    """When it was last edited, with the day where that is another one; "" where that is not worth telling."""
    if entry.withdrawn or entry.revision == 1 or entry.updated - entry.published <= SOON:
        return ""
    published, updated = local(entry.published, blog), local(entry.updated, blog)
    same_day = updated.date() == published.date()
    return f"{updated:%H:%M}" if same_day else f"{updated:%Y-%m-%d %H:%M}"


def days(entries: Sequence[ShownEntry]) -> list[Day]:
    """*entries* by day, in their order."""
    return [Day(name, list(group)) for name, group in groupby(entries, key=lambda e: e.day)]


def day_name(instant: datetime, language: str) -> str:
    """A day's name: in words where the blog is in English, else as ISO 8601 has it."""
    if language[:2].lower() in ("", "en"):
        return f"{instant:%A} {instant.day} {instant:%B %Y}"
    return f"{instant:%Y-%m-%d}"


def moment(instant: datetime, blog: Blog) -> str:
    """An instant in the blog's zone, to the minute, with the zone's name."""
    return f"{local(instant, blog):%Y-%m-%d %H:%M %Z}"


def show_blog(blog: Blog, changed: datetime, public_url: str) -> ShownBlog:
    """*blog* as the list of all shows it."""
    return ShownBlog(
        url=blog_url(public_url, blog.id),
        title=feed_title(blog),
        description=blog.description,
        language=feed_language(blog) or "",
        direction=direction(blog),
        closed=blog.state is BlogState.CLOSED,
        changed=moment(changed, blog),
        changed_datetime=rfc3339(changed),
    )
