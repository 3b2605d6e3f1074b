"""Addresses that feeds, pages and webhooks share: built from the public URL, never from a request."""

from slugline.blog import Blog
from slugline.entry import Entry

#: The year in a blog's `tag:` URI. It only has to be one in which the authority's name was its own
#: (RFC 4151 section 2.1), and must never change: a blog's first publication can still move back.
BLOG_YEAR = 2026


def blog_url(public_url: str, blog_id: str) -> str:
    """The blog's page."""
    return f"{public_url}/blogs/{blog_id}"


def feed_url(public_url: str, blog_id: str, name: str) -> str:
    """The blog's feed in the format called *name*."""
    return f"{public_url}/blogs/{blog_id}/feed.{name}"


def entry_url(public_url: str, blog_id: str, entry_id: str) -> str:
    """The entry's own page: it opens as long as the entry stands."""
    return f"{public_url}/blogs/{blog_id}/entries/{entry_id}"


def shown_at(public_url: str, entry: Entry) -> str:
    """Where people read *entry*: its own page; once withdrawn its place in the blog."""
    if entry.withdrawn:
        return f"{blog_url(public_url, entry.blog_id)}#{anchor(entry.id)}"
    return entry_url(public_url, entry.blog_id, entry.id)


def anchor(entry_id: str) -> str:
    """The entry's anchor on the blog's page."""
    return f"e-{entry_id}"


def blog_tag(blog: Blog) -> str:
    """The blog's `tag:` URI (RFC 4151): never from a title or a link."""
    return f"tag:{blog.authority},{BLOG_YEAR}:{blog.id}"


def entry_tag(blog: Blog, entry: Entry) -> str:
    """The entry's `tag:` URI, from the year of its first publication."""
    return f"tag:{blog.authority},{entry.published.year:04}:{entry.blog_id}/{entry.id}"
