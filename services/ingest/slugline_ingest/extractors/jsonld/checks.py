"""Checks: which fields of a page's entries are not what they say they are."""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from slugline_ingest.extractors.jsonld.graph import Node
from slugline_ingest.extractors.jsonld.media import media_of
from slugline_ingest.extractors.jsonld.posts import Post
from slugline_ingest.identity import fold

#: So many entries with one date are none; two may have been posted in one minute.
SAME_DATE = 3
#: Bodies that are cut end at a multiple of this, in characters, and not before the second one.
_ROUND = 100

_TAG = re.compile(r"<[^<>]*>")
_ENDED = re.compile(r"""[.!?…:;"'”’»)\]。！？]\s*\Z""")


@dataclass(frozen=True, slots=True)
class Judged:
    """A post without what was found to be the blog's, and its id, if it has one; whether its body is cut."""

    post: Post
    id: str | None
    cut: bool = False


def judged(posts: Sequence[Post], blog: Node, title: str, link: str | None) -> list[Judged]:
    """*posts* by the checks; a copy of an entry that stands there twice goes."""
    posts = _without_blogs_images(_without_blogs_title(posts, title), blog, link)
    posts = _without_blogs_dates(posts)
    cut = _cut_at(posts)
    named = zip(posts, _ids(posts), strict=True)
    return _each_once([Judged(p, name, cut is not None and _length(p) == cut) for p, name in named])


def _without_blogs_title(posts: Sequence[Post], title: str) -> list[Post]:
    one_for_all = len(posts) > 1 and len({post.title for post in posts}) == 1
    blogs = fold(title)
    return [
        replace(post, title="") if one_for_all or (blogs and fold(post.title) == blogs) else post
        for post in posts
    ]


def _without_blogs_dates(posts: Sequence[Post]) -> list[Post]:
    if len(posts) >= SAME_DATE and len({post.published for post in posts}) == 1:
        return [replace(post, published=None, modified=None) for post in posts]
    return list(posts)


def _without_blogs_images(posts: Sequence[Post], blog: Node, link: str | None) -> list[Post]:
    """The blog's picture, or one that all entries have, is nobody's."""
    counts = Counter(medium.url for post in posts for medium in post.media)
    default = {medium.url for medium in media_of(blog, link)}
    default |= {url for url, n in counts.items() if n >= SAME_DATE and n == len(posts)}
    return [replace(p, media=tuple(m for m in p.media if m.url not in default)) for p in posts]


def _length(post: Post) -> int:
    return len(html.unescape(post.body))


def _cut_at(posts: Sequence[Post]) -> int | None:
    """The length at which bodies are cut: round, the longest, and met twice or in mid-sentence."""
    longest = max((_length(post) for post in posts), default=0)
    if longest < 2 * _ROUND or longest % _ROUND:
        return None
    at = [post for post in posts if _length(post) == longest]
    return longest if len(at) > 1 or not _ENDED.search(_TAG.sub("", at[0].body)) else None


def _ids(posts: Sequence[Post]) -> list[str | None]:
    """For each the first of its names that no other entry has."""
    said: dict[str, set[Hashable]] = defaultdict(set)
    for post in posts:
        for name in post.names:
            said[name].add(post.tells)
    return [next((name for name in post.names if len(said[name]) == 1), None) for post in posts]


def _each_once(found: Iterable[Judged]) -> list[Judged]:
    """A pinned copy stands before the entry itself: the later one counts."""
    kept: dict[Hashable, Judged] = {}
    for number, each in enumerate(found):
        key = each.id or ("nameless", number)
        kept.pop(key, None)
        kept[key] = each
    return list(kept.values())
