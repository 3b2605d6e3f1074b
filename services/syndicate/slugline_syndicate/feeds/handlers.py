"""Feeds over HTTP: cached bytes, exact 304s, and nothing that asks the log."""

from collections.abc import Callable, Sequence
from urllib.parse import urljoin, urlsplit, urlunsplit

from aiohttp import web

from slugline.blog import Blog, BlogState
from slugline.telemetry import Metrics
from slugline.web.problems import Handler, Problem, not_found
from slugline_syndicate.conditional import redirect
from slugline_syndicate.feeds.formats import Format
from slugline_syndicate.feeds.store import FeedStore

#: Whether the view may be shown: not while it is being built, when it may hold texts whose
#: withdrawal it has not read yet.
Ready = Callable[[], bool]


def always() -> bool:
    """For views that were filled before."""
    return True


def feed_handler(
    store: FeedStore, form: Format, public_url: str, metrics: Metrics, ready: Ready
) -> Handler:
    """The handler of `/blogs/{blog}/feed.<format>`."""
    counters = {
        status: metrics.feed_requests.labels(form.name, str(status)) for status in (200, 304)
    }

    async def serve(request: web.Request) -> web.StreamResponse:
        if not ready():
            detail = "The view is being built from the log; ask again in a moment."
            raise Problem(503, "Not ready", detail, headers={"Retry-After": "2"})
        blog_id = request.match_info["blog"]
        document = store.document(blog_id, form.name)
        if document is None:
            raise not_found("blog", blog_id)
        moved = _moved(document.blog, form, public_url)
        if moved is not None:
            return moved
        answer = document.representation.answer(request)
        counters[answer.status].inc()
        return answer

    return serve


def add_feeds(
    app: web.Application,
    store: FeedStore,
    formats: Sequence[Format],
    public_url: str,
    metrics: Metrics,
    ready: Ready = always,
) -> None:
    """Add every format's feeds to *app*, GET and HEAD."""
    for form in formats:
        handler = feed_handler(store, form, public_url, metrics, ready)
        app.router.add_get(f"/blogs/{{blog}}/feed.{form.name}", handler)


def _moved(blog: Blog, form: Format, public_url: str) -> web.Response | None:
    """Where the feed is now, or None where it is here. Raises Problem 410 where it is nowhere."""
    if blog.state is BlogState.REMOVED:
        raise Problem(410, "Gone", f"The blog {blog.id!r} was removed.")
    if blog.state is BlogState.MOVED and blog.moved_to:
        page = urljoin(f"{public_url}/", blog.moved_to)
        return redirect(301, _feed_at(page, form.name))
    return None


def _feed_at(page: str, name: str) -> str:
    """The feed of the blog whose page is *page*."""
    parts = urlsplit(page)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/feed.{name}", fragment=""))
