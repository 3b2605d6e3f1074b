"""Pages over HTTP; the newest page of each blog is kept as bytes until the blog changes."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urljoin

from aiohttp import web

from slugline.blog import Blog, BlogState
from slugline.clock import parse_rfc3339
from slugline.entry import Entry
from slugline.view.entries import BlogRow, EntriesView, EntryRow
from slugline.web.problems import Handler
from slugline_syndicate.conditional import Representation, redirect
from slugline_syndicate.feeds.handlers import Ready, always
from slugline_syndicate.feeds.kept import Kept
from slugline_syndicate.feeds.store import LIVE, cache_control
from slugline_syndicate.feeds.window import WITHDRAWN_SHOWN
from slugline_syndicate.links import blog_url
from slugline_syndicate.pages.render import Pages

#: Entries, and blogs, on one page.
PAGE = 100
#: Bytes of pages kept over all blogs, about.
KEPT = 64_000_000

#: Under this key the first page of the list of blogs is kept: no blog's id is empty.
HOME = ""


_PAGE_NUMBER = re.compile("[1-9][0-9]{0,5}")


class PageHandlers:
    """The handlers of `/`, `/blogs/{blog}` and `/blogs/{blog}/entries/{entry}`."""

    def __init__(self, entries: EntriesView, public_url: str, ready: Ready = always) -> None:
        self._entries = entries
        self._public_url = public_url
        self._ready = ready
        self._pages = Pages(public_url)
        self._first: Kept[str, Representation] = Kept(KEPT)
        self._generation = entries.generation
        entries.listen_to_rows(self._changed)

    def add_to(self, app: web.Application) -> None:
        """Add the routes to *app*, GET and HEAD."""
        app.router.add_get("/", self._readable(self.home))
        app.router.add_get("/blogs/{blog}", self._readable(self.blog))
        app.router.add_get("/blogs/{blog}/entries/{entry}", self._readable(self.entry))

    async def home(self, request: web.Request) -> web.StreamResponse:
        number = request.query.get("page", "1")
        if not _PAGE_NUMBER.fullmatch(number):
            raise _Elsewhere(302, f"{self._public_url}/")
        page = int(number)
        kept = self._kept(HOME) if page == 1 else None
        if kept is None:
            kept = self._home(page)
        return kept.answer(request)

    async def blog(self, request: web.Request) -> web.StreamResponse:
        blog = self._known(request).blog
        before = request.query.get("before")
        if before is not None:
            return self._older(blog, before).answer(request)
        kept = self._kept(blog.id) or self._newest(blog)
        return kept.answer(request)

    async def entry(self, request: web.Request) -> web.StreamResponse:
        row = self._known(request)
        found = self._entries.entry(row.blog.id, request.match_info["entry"])
        if found is None:
            raise _Unseen(404, "No such entry", "The live blog has no such entry.", row.blog)
        if found.entry.withdrawn:
            raise _Unseen(410, "Withdrawn", "This entry was withdrawn.", row.blog)
        body = self._pages.entry(row.blog, found.entry)
        return self._representation(body, max(found.time, row.time), row.blog).answer(request)

    # --- inside -------------------------------------------------------------------------------------

    def _changed(self, blog_ids: Sequence[str]) -> None:
        self._first.drop(HOME)
        for blog_id in blog_ids:
            self._first.drop(blog_id)

    def _kept(self, key: str) -> Representation | None:
        if self._generation != self._entries.generation:  # another file, perhaps of another log
            self._generation = self._entries.generation
            self._first.clear()
        return self._first.get(key)

    def _known(self, request: web.Request) -> BlogRow:
        row = self._entries.blog(request.match_info["blog"])
        if row is None:
            raise _Unseen(404, "No such live blog", "There is no live blog at this address.")
        if row.blog.state is BlogState.REMOVED:
            raise _Unseen(410, "Removed", "This live blog was removed.")
        if row.blog.state is BlogState.MOVED and row.blog.moved_to:
            raise _Elsewhere(301, urljoin(f"{self._public_url}/", row.blog.moved_to))
        return row

    def _home(self, page: int) -> Representation:
        blogs, changed = self._entries.newest_blogs(PAGE + 1, (page - 1) * PAGE)
        body = self._pages.home(blogs[:PAGE], page, more=len(blogs) > PAGE)
        made = self._representation(body, changed, None)
        if page == 1:
            self._first.put(HOME, made)
        return made

    def _newest(self, blog: Blog) -> Representation:
        changed = self._newest_change(blog)
        rows = self._entries.newest(blog.id, PAGE + 1)
        more = len(rows) > PAGE
        shown = self._with_withdrawn(blog, rows[:PAGE], changed, everything=not more)
        body = self._pages.blog(blog, changed, shown, more=more, first=True)
        made = self._representation(body, changed, blog)
        self._first.put(blog.id, made)
        return made

    def _with_withdrawn(
        self, blog: Blog, rows: list[EntryRow], changed: datetime, *, everything: bool
    ) -> list[EntryRow]:
        """*rows*, and in their places the entries that were withdrawn a short while ago."""
        start = datetime.min.replace(tzinfo=UTC) if everything else rows[-1].entry.published
        gone = self._entries.withdrawn_since(blog.id, changed - WITHDRAWN_SHOWN, start, PAGE)
        return sorted([*rows, *gone], key=lambda row: _newest_first(row.entry))

    def _older(self, blog: Blog, before: str) -> Representation:
        time, _, entry_id = before.partition("~")
        try:
            published = parse_rfc3339(time)
        except (ValueError, OverflowError):
            raise _Elsewhere(302, blog_url(self._public_url, blog.id)) from None
        rows = self._entries.older(blog.id, published, entry_id, PAGE + 1)
        changed = self._newest_change(blog)
        body = self._pages.blog(blog, changed, rows[:PAGE], more=len(rows) > PAGE, first=False)
        return self._representation(body, changed, blog)

    def _newest_change(self, blog: Blog) -> datetime:
        newest = self._entries.newest_change(blog.id)
        assert newest is not None  # noqa: S101 - the blog is there
        return newest[0]

    def _representation(
        self, body: bytes, changed: datetime | None, blog: Blog | None
    ) -> Representation:
        headers = {**self._headers(), "Cache-Control": cache_control(blog) if blog else LIVE}
        return Representation(body, sha256(body).hexdigest()[:20], changed, headers)

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": self._pages.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
        }

    def _readable(self, handler: Handler) -> Handler:
        """Errors as pages: people read these."""

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                if not self._ready():
                    raise _Unseen(503, "One moment", "The live blogs are being read from the log.")
                return await handler(request)
            except _Elsewhere as elsewhere:
                return redirect(elsewhere.status, elsewhere.location)
            except _Unseen as unseen:
                body = self._pages.problem(unseen.title, unseen.detail, unseen.blog)
                wait = {"Retry-After": "2"} if unseen.status == 503 else {}
                headers = {**self._headers(), "Cache-Control": "no-store", **wait}
                return web.Response(status=unseen.status, body=body, headers=headers)

        return serve


class _Unseen(Exception):  # noqa: N818 - an answer, no fault
    """A page that is not there to be seen, and why."""

    def __init__(self, status: int, title: str, detail: str, blog: Blog | None = None) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.blog = status, title, detail, blog


class _Elsewhere(Exception):  # noqa: N818 - an answer, no fault
    """A page that is at another address."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(location)
        self.status, self.location = status, location


def _newest_first(entry: Entry) -> tuple[float, str]:
    return -entry.published.timestamp(), entry.id
