"""What a request's path names."""

from aiohttp import web

from slugline.blog import BlogId, is_blog_id
from slugline.errors import InvalidInputError, Mistake


def blog_id_of(request: web.Request) -> BlogId:
    """The blog in the path. Raises InvalidInputError."""
    name = request.match_info["blog"]
    if not is_blog_id(name):
        rule = "use a-z, 0-9, '.', '_' and '-', at most 100, beginning with a letter or digit"
        raise InvalidInputError(Mistake("blog", f"{name[:100]!r} cannot name a blog: {rule}"))
    return BlogId(name)
