"""Posts: the entries of a blog as its JSON-LD states them, before what they state was judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from slugline.entry import Media
from slugline_ingest.extractors.jsonld.addresses import canonical, fragment_of, hashed, page_key
from slugline_ingest.extractors.jsonld.fields import (
    BODY,
    address_of,
    instant_of,
    line_of,
    texts_in,
)
from slugline_ingest.extractors.jsonld.graph import Node
from slugline_ingest.extractors.jsonld.media import media_of

#: A page has some hundred entries; more than this is no live blog.
POSTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One entry as stated. *names* are what may be its id, the best first."""

    node: Node
    title: str
    body: str
    published: datetime | None
    modified: datetime | None
    link: str | None
    names: tuple[str, ...]
    media: tuple[Media, ...]

    @property
    def tells(self) -> tuple[object, ...]:
        """What two copies of one entry have in common."""
        return self.title, self.published, self.body[:200] if not self.published else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What an entry's fields are read against: the blog's address, and the zone of bare times."""

    link: str | None
    zone: str


def posts_of(nodes: Sequence[Node], place: Place) -> list[Post]:
    """The posts that *nodes* are; what says nothing at all is none."""
    posts = [_post(node, place) for node in nodes[:POSTS]]
    return [post for post in posts if _says_something(post)]


def _says_something(post: Post) -> bool:
    stated = (post.title, post.body, post.published, post.modified, post.link)
    return any(stated) or bool(post.media) or bool(post.names)


def _post(node: Node, place: Place) -> Post:
    link = address_of(node.get("url"), place.link) or address_of(
        node.get("mainEntityOfPage"), place.link
    )
    return Post(
        node=node,
        title=line_of(node.get("headline") or node.get("name")),
        body=_body(node),
        published=instant_of(node.get("datePublished") or node.get("dateCreated"), place.zone),
        modified=instant_of(node.get("dateModified"), place.zone),
        link=link,
        names=_names(node, link, place),
        media=media_of(node, place.link),
    )


def _body(node: Node) -> str:
    for key in ("articleBody", "text", "description"):
        parts = list(texts_in(node.get(key), "@value", "text", "articleBody", "name"))
        if parts:
            return "\n\n".join(parts)[: 2 * BODY].strip()
    return ""


def _names(node: Node, link: str | None, place: Place) -> tuple[str, ...]:
    stated = next(texts_in(node.get("@id")), "")
    given = next(texts_in(node.get("identifier"), "value", "@value"), "")
    found = (
        fragment_of(link) if link else "",
        _name_of(stated, place),
        canonical(given) if "://" not in given else _name_of(given, place),
        _name_of(link, place) if link else "",
    )
    return tuple(dict.fromkeys(name for name in found if name))


def _name_of(stated: str, place: Place) -> str:
    """The id in *stated*: an address's fragment, the address of a page of its own, or itself."""
    address = address_of(stated, place.link) if "://" in stated or stated[:1] in "/#" else None
    if address is None:
        return canonical(stated)
    own = page_key(address)
    return fragment_of(address) or (hashed(own) if own != page_key(place.link or "") else "")
