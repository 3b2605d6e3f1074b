"""Feeds over HTTP: cached bytes, exact 304s, and nothing that asks the log."""

from collections.abc import Callable, Sequence

from aiohttp import web

from slugline.blog import BlogState
from slugline.telemetry import Metrics
from slugline.web.problems import Handler, Problem, not_found
from slugline_syndicate.conditional import accepts_gzip, http_date, is_unchanged
from slugline_syndicate.feeds.formats import Format
from slugline_syndicate.feeds.store import Document, FeedStore, Representation
from slugline_syndicate.links import blog_url

#: Readers ask again after this; above 0, or some take it for "never cache".
LIVE = "public, max-age=30, stale-while-revalidate=60, stale-if-error=86400"
CLOSED = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=86400"


def feed_handler(store: FeedStore, form: Format, public_url: str, metrics: Metrics) -> Handler:
    """The handler of `/blogs/{blog}/feed.<format>`."""
    count: Callable[[int], None] = _counter(form.name, metrics)

    async def serve(request: web.Request) -> web.StreamResponse:
        blog_id = request.match_info["blog"]
        document = store.document(blog_id, form.name)
        if document is None:
            raise not_found("blog", blog_id)
        _refuse_gone(document, form)
        chosen = document.gzip if accepts_gzip(request) else document.identity
        headers = _headers(document, chosen, f"{blog_url(public_url, blog_id)}/feed.{form.name}")
        if is_unchanged(request, chosen.etag, document.changed):
            count(304)
            return web.Response(status=304, headers=headers)
        count(200)
        headers["Content-Type"] = f"{form.media_type}; charset=utf-8"
        if chosen.coding != "identity":
            headers["Content-Encoding"] = chosen.coding
        return web.Response(body=chosen.body, headers=headers)

    return serve


def add_feeds(
    app: web.Application,
    store: FeedStore,
    formats: Sequence[Format],
    public_url: str,
    metrics: Metrics,
) -> None:
    """Add every format's feeds to *app*, GET and HEAD."""
    for form in formats:
        handler = feed_handler(store, form, public_url, metrics)
        app.router.add_get(f"/blogs/{{blog}}/feed.{form.name}", handler)


def _counter(name: str, metrics: Metrics) -> Callable[[int], None]:
    counters = {status: metrics.feed_requests.labels(name, str(status)) for status in (200, 304)}
    return lambda status: counters[status].inc()


def _refuse_gone(document: Document, form: Format) -> None:
    blog = document.blog
    if blog.state is BlogState.REMOVED:
        raise Problem(410, "Gone", f"The blog {blog.id!r} was removed.")
    if blog.state is BlogState.MOVED and blog.moved_to:
        location = f"{blog.moved_to.rstrip('/')}/feed.{form.name}"
        raise web.HTTPMovedPermanently(location)


def _headers(document: Document, chosen: Representation, self_url: str) -> dict[str, str]:
    return {
        "ETag": chosen.etag,
        "Last-Modified": http_date(document.changed),
        "Cache-Control": CLOSED if document.blog.state is BlogState.CLOSED else LIVE,
        "Vary": "Accept-Encoding",
        "Link": f'<{self_url}>; rel="self"',
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag, Last-Modified, Link",
        "X-Content-Type-Options": "nosniff",
    }
