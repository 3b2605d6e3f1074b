"""Pages as bytes: templates, one style sheet inside, no script, nothing from elsewhere."""

import base64
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from slugline.blog import Blog, BlogState
from slugline.clock import rfc3339
from slugline.entry import Entry
from slugline.view.entries import BlogRow, EntryRow
from slugline_syndicate.feeds.content import title_of
from slugline_syndicate.feeds.formats import feed_language, feed_title
from slugline_syndicate.links import anchor, blog_url, entry_url
from slugline_syndicate.pages.show import days, direction, moment, show_blog, show_entry


class Pages:
    """Renders; the same rows give the same bytes."""

    def __init__(self, public_url: str) -> None:
        self._home = public_url
        style = files("slugline_syndicate.pages").joinpath("templates/style.css").read_text()
        digest = base64.b64encode(sha256(style.encode()).digest()).decode()
        #: What the browser may load: pictures, and the one style sheet.
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src https: http: data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors *"
        )
        self._environment = Environment(
            loader=PackageLoader("slugline_syndicate.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._common = {
            "home": public_url,
            "style": Markup(style),  # noqa: S704 - ours
            "language": "",
            "direction": "auto",
            "description": "",
            "canonical": "",
            "feed": "",
            "feed_title": "",
        }

    def home(self, blogs: Sequence[tuple[BlogRow, datetime]], page: int, *, more: bool) -> bytes:
        """The *page*th page (from 1) of the list of blogs. *more*: there is another."""
        return self._render(
            "home.html",
            title="Live blogs",
            description="Rolling coverage, newest first.",
            blogs=[show_blog(row.blog, changed, self._home) for row, changed in blogs],
            canonical=f"{self._home}/" if page == 1 else "",
            previous=f"?page={page - 1}" if page > 1 else "",
            next=f"?page={page + 1}" if more else "",
        )

    def blog(
        self, blog: Blog, changed: datetime, rows: Sequence[EntryRow], *, more: bool, first: bool
    ) -> bytes:
        """A page of a blog. *more*: there are older entries; *first*: it is the newest page."""
        shown = [show_entry(blog, row.entry, self._home) for row in rows]
        address = blog_url(self._home, blog.id)
        standing = [row.entry for row in rows if not row.entry.withdrawn]
        older = f"{address}?before={quote(cursor_of(standing[-1]))}" if more and standing else ""
        return self._render(
            "blog.html",
            **self._about(blog),
            title=feed_title(blog),
            description=blog.description,
            canonical=address if first else "",
            closed=blog.state is BlogState.CLOSED,
            changed=moment(changed, blog),
            changed_datetime=rfc3339(changed),
            lead=[part for part in blog.lead.split("\n\n") if part] if first else [],
            key_events=[entry for entry in shown if entry.key_event],
            pinned=[entry for entry in shown if entry.pinned] if first else [],
            days=days([entry for entry in shown if not (first and entry.pinned)]),
            older=older,
            first=first,
        )

    def entry(self, blog: Blog, entry: Entry) -> bytes:
        """An entry's own page."""
        return self._render(
            "single.html",
            **self._about(blog),
            title=title_of(entry),
            canonical=entry_url(self._home, blog.id, entry.id),
            e=show_entry(blog, entry, self._home),
            place=f"{blog_url(self._home, blog.id)}?before={quote(cursor_at(entry))}#{anchor(entry.id)}",
        )

    def problem(self, title: str, detail: str, blog: Blog | None = None) -> bytes:
        """What people see instead of a problem document; with the way to *blog* where there is one."""
        about = self._about(blog) if blog else {}
        return self._render("problem.html", **about, title=title, detail=detail)

    def _about(self, blog: Blog) -> dict[str, object]:
        return {
            "language": feed_language(blog) or "",
            "direction": direction(blog),
            "feed": blog_url(self._home, blog.id),
            "feed_title": feed_title(blog),
        }

    def _render(self, template: str, **values: object) -> bytes:
        page = self._environment.get_template(template).render(self._common | values)
        return page.encode("utf-8", "replace")


def cursor_at(entry: Entry) -> str:
    """Where the page begins that shows this entry first, or among the first."""
    return f"{rfc3339(entry.published)}~"


def cursor_of(entry: Entry) -> str:
    """Where the next page begins: after this entry."""
    return f"{rfc3339(entry.published)}~{entry.id}"
