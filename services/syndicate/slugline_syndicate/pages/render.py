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
from slugline_syndicate.feeds.formats import feed_title
from slugline_syndicate.links import blog_url, entry_url
from slugline_syndicate.pages.show import days, moment, show_blog, show_entry


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
        )
        self._common = {
            "home": public_url,
            "style": Markup(style),  # noqa: S704 - ours
            "language": "",
            "description": "",
            "canonical": "",
            "feed": "",
        }

    def home(self, blogs: Sequence[tuple[BlogRow, datetime]]) -> bytes:
        """The list of all blogs; those that changed last come first."""
        ordered = sorted(blogs, key=lambda pair: pair[1], reverse=True)
        shown = [show_blog(row.blog, changed, self._home) for row, changed in ordered]
        return self._render(
            "home.html", title="Live blogs", blogs=shown, canonical=f"{self._home}/"
        )

    def blog(
        self, blog: Blog, changed: datetime, rows: Sequence[EntryRow], *, more: bool, first: bool
    ) -> bytes:
        """A page of a blog. *more*: there are older entries; *first*: it is the newest page."""
        shown = [show_entry(blog, row.entry, self._home) for row in rows]
        address = blog_url(self._home, blog.id)
        older = f"{address}?before={quote(cursor_of(rows[-1].entry))}" if more and rows else ""
        return self._render(
            "blog.html",
            title=feed_title(blog),
            description=blog.description,
            language=blog.language,
            canonical=address if first else "",
            feed=address,
            closed=blog.state is BlogState.CLOSED,
            changed=moment(changed, blog),
            changed_datetime=rfc3339(changed),
            lead=[part for part in blog.lead.split("\n\n") if part] if first else [],
            days=days(shown),
            older=older,
            newest=not first,
        )

    def entry(self, blog: Blog, entry: Entry) -> bytes:
        """An entry's own page."""
        return self._render(
            "single.html",
            title=title_of(entry),
            language=blog.language,
            canonical=entry_url(self._home, blog.id, entry.id),
            feed=blog_url(self._home, blog.id),
            blog_title=feed_title(blog),
            e=show_entry(blog, entry, self._home),
        )

    def problem(self, title: str, detail: str) -> bytes:
        """What people see instead of a problem document."""
        return self._render("problem.html", title=title, detail=detail)

    def _render(self, template: str, **values: object) -> bytes:
        page = self._environment.get_template(template).render(self._common | values)
        return page.encode("utf-8", "replace")


def cursor_of(entry: Entry) -> str:
    """Where the next page begins: after this entry."""
    return f"{rfc3339(entry.published)}~{entry.id}"
