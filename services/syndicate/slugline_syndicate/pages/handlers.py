"""Pages over HTTP; the first page of each blog is kept as bytes until the blog changes."""

from collections.abc import Sequence
from datetime import datetime
from gzip import compress
from hashlib import sha256

from aiohttp import web

from slugline.blog import Blog, BlogState
from slugline.clock import parse_rfc3339
from slugline.view.entries import BlogRow, EntriesView
from slugline.web.problems import Handler
from slugline_syndicate.conditional import accepts_gzip, http_date, is_unchanged
from slugline_syndicate.feeds.handlers import CLOSED, LIVE
from slugline_syndicate.links import blog_url
from slugline_syndicate.pages.render import Pages

#: Entries on one page.
PAGE = 100


class PageHandlers:
    """The handlers of `/`, `/blogs/{blog}` and `/blogs/{blog}/entries/{entry}`."""

    def __init__(self, entries: EntriesView, public_url: str) -> None:
        self._entries = entries
        self._public_url = public_url
        self._pages = Pages(public_url)
        self._first: dict[str, bytes] = {}
        entries.listen_to_rows(self._changed)

    def add_to(self, app: web.Application) -> None:
        """Add the routes to *app*, GET and HEAD."""
        app.router.add_get("/", self._readable(self.home))
        app.router.add_get("/blogs/{blog}", self._readable(self.blog))
        app.router.add_get("/blogs/{blog}/entries/{entry}", self._readable(self.entry))

    async def home(self, request: web.Request) -> web.StreamResponse:
        blogs = [
            (row, changed[0])
            for row in self._entries.blogs()
            if row.blog.state is not BlogState.REMOVED
            and (changed := self._entries.newest_change(row.blog.id))
        ]
        newest = max((changed for _, changed in blogs), default=None)
        return self._answer(request, self._pages.home(blogs), newest, LIVE)

    async def blog(self, request: web.Request) -> web.StreamResponse:
        row, changed = self._known(request)
        blog = row.blog
        before = request.query.get("before")
        if before is not None:
            body = self._older(blog, changed, before)
        else:
            body = self._first.get(blog.id) or self._first_page(blog, changed)
        return self._answer(request, body, changed, _cache(blog))

    async def entry(self, request: web.Request) -> web.StreamResponse:
        row, _ = self._known(request)
        found = self._entries.entry(row.blog.id, request.match_info["entry"])
        if found is None:
            raise web.HTTPNotFound(text="There is no such entry.")
        if found.entry.withdrawn:
            raise web.HTTPGone(text="This entry was withdrawn.")
        body = self._pages.entry(row.blog, found.entry)
        return self._answer(request, body, found.time, _cache(row.blog))

    # --- inside -------------------------------------------------------------------------------------

    def _changed(self, blog_ids: Sequence[str]) -> None:
        for blog_id in blog_ids:
            self._first.pop(blog_id, None)

    def _known(self, request: web.Request) -> tuple[BlogRow, datetime]:
        blog_id = request.match_info["blog"]
        row, newest = self._entries.blog(blog_id), self._entries.newest_change(blog_id)
        if row is None or newest is None:
            raise web.HTTPNotFound(text=f"There is no blog {blog_id!r}.")
        if row.blog.state is BlogState.REMOVED:
            raise web.HTTPGone(text="This live blog was removed.")
        if row.blog.state is BlogState.MOVED and row.blog.moved_to:
            raise web.HTTPMovedPermanently(row.blog.moved_to)
        return row, newest[0]

    def _first_page(self, blog: Blog, changed: datetime) -> bytes:
        rows = self._entries.entries(blog.id, PAGE + 1)
        body = self._pages.blog(blog, changed, rows[:PAGE], more=len(rows) > PAGE, first=True)
        self._first[blog.id] = body
        return body

    def _older(self, blog: Blog, changed: datetime, before: str) -> bytes:
        time, _, entry_id = before.partition("~")
        try:
            published = parse_rfc3339(time)
        except ValueError:
            raise web.HTTPFound(blog_url(self._public_url, blog.id)) from None
        rows = self._entries.older(blog.id, published, entry_id, PAGE + 1)
        return self._pages.blog(blog, changed, rows[:PAGE], more=len(rows) > PAGE, first=False)

    def _answer(
        self, request: web.Request, body: bytes, changed: datetime | None, cache: str
    ) -> web.Response:
        zipped = accepts_gzip(request)
        etag = f'"{sha256(body).hexdigest()[:20]}-{"gzip" if zipped else "identity"}"'
        headers = {
            "ETag": etag,
            "Cache-Control": cache,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": self._pages.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
        }
        if changed is not None:
            headers["Last-Modified"] = http_date(changed)
            if is_unchanged(request, etag, changed):
                return web.Response(status=304, headers=headers)
        headers["Content-Type"] = "text/html; charset=utf-8"
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=compress(body, 6, mtime=0) if zipped else body, headers=headers)

    def _readable(self, handler: Handler) -> Handler:
        """Errors as pages: people read these."""

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except (web.HTTPNotFound, web.HTTPGone) as error:
                body = self._pages.problem(error.reason, error.text or "")
                headers = {"Content-Security-Policy": self._pages.policy}
                kind = "text/html"
                return web.Response(
                    status=error.status,
                    body=body,
                    content_type=kind,
                    charset="utf-8",
                    headers=headers,
                )

        return serve


def _cache(blog: Blog) -> str:
    return CLOSED if blog.state is BlogState.CLOSED else LIVE
