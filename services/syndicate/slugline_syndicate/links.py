"""Addresses that feeds, pages and webhooks share: built from the public URL, never from a request."""

from slugline.blog import Blog
from slugline.entry import Entry


def blog_url(public_url: str, blog_id: str) -> str:
    """The blog's page."""
    return f"{public_url}/blogs/{blog_id}"


def entry_url(public_url: str, blog_id: str, entry_id: str) -> str:
    """The entry's own page: it opens as long as the entry stands."""
    return f"{public_url}/blogs/{blog_id}/entries/{entry_id}"


def anchor(entry_id: str) -> str:
    """The entry's anchor on the blog's page."""
    return f"e-{entry_id}"


def blog_tag(blog: Blog) -> str:
    """The blog's `tag:` URI (RFC 4151): never from a title or a link."""
    return f"tag:{blog.authority},2026:{blog.id}"


def entry_tag(blog: Blog, entry: Entry) -> str:
    """The entry's `tag:` URI, from the year of its first publication."""
    return f"tag:{blog.authority},{entry.published.year}:{entry.blog_id}/{entry.id}"
