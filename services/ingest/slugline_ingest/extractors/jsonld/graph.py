"""Graph: the objects of a page's JSON-LD, and which live blog among them is the page's own.

Pages also carry other pages' blogs: in sidebars, as "related", as what an article is part of.
Those are no entries of this page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from slugline_ingest.extractors.jsonld.addresses import page_key

Node = dict[str, Any]

#: Where a blog's entries stand.
UPDATES = ("liveBlogUpdate", "blogPosts", "blogPost")
#: Through these an object is still about the page itself.
_OWN = frozenset({"@graph", "mainEntity", "mainEntityOfPage"})
#: How many objects of one document are looked at, and how many live blogs.
OBJECTS, BLOGS = 200_000, 100


@dataclass(frozen=True, slots=True)
class Found:
    """An object, and whether it stands for the page itself rather than below something else."""

    node: Node
    own: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """What the scripts of one page hold."""

    blogs: tuple[Found, ...]
    articles: tuple[Node, ...]
    by_id: dict[str, Node]


def graph_of(values: Sequence[Any]) -> Graph:
    """The graph of the *values* of a page's scripts."""
    blogs: list[Found] = []
    articles: list[Node] = []
    by_id: dict[str, Node] = {}
    for node, own in _objects(values):
        name = node.get("@id")
        if isinstance(name, str) and len(node) > 1 and len(node) > len(by_id.get(name, ())):
            by_id[name] = node
        if is_blog(node) and len(blogs) < BLOGS:
            blogs.append(Found(node, own))
        elif own and any(kind.endswith("Article") for kind in types_of(node)):
            articles.append(node)
    return Graph(tuple(blogs), tuple(articles), by_id)


def _objects(values: Sequence[Any]) -> Iterator[tuple[Node, bool]]:
    """Every object in order, without recursion; entries are not looked into for blogs."""
    stack: list[tuple[Any, bool]] = [(value, True) for value in reversed(values)]
    for _ in range(OBJECTS):
        if not stack:
            return
        value, own = stack.pop()
        if isinstance(value, list):
            stack += [(each, own) for each in reversed(value)]
        elif isinstance(value, dict):
            yield value, own
            stack += [
                (each, own and key in _OWN)
                for key, each in reversed(value.items())
                if isinstance(each, dict | list) and key not in UPDATES
            ]


def types_of(node: Node) -> list[str]:
    """The types of *node* without the vocabulary's address or prefix."""
    stated = node.get("@type")
    names = stated if isinstance(stated, list) else [stated]
    return [n.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for n in names if isinstance(n, str)]


def is_blog(node: Node) -> bool:
    """Whether *node* is a live blog, by its type or by what it has."""
    return "LiveBlogPosting" in types_of(node) or bool(node.get("liveBlogUpdate"))


def keys_of(node: Node) -> set[str]:
    """The pages that *node* says it is, as `page_key` has them."""
    page = node.get("mainEntityOfPage")
    stated = [node.get("url"), node.get("@id"), page]
    if isinstance(page, dict):
        stated += [page.get("@id"), page.get("url")]
    return {key for value in stated if isinstance(value, str) and (key := page_key(value))}


def own_blogs(graph: Graph, page: set[str]) -> list[Node]:
    """The blogs that are the page's own, *page* being the keys by which it is known."""
    stated = [keys_of(article) for article in graph.articles]
    page = page or set().union(*stated)
    named = [found.node for found in graph.blogs if keys_of(found.node) & page]
    if named:
        return named
    if any(keys & page for keys in stated):
        # The page is that article; a blog that names no page at all may still be it too.
        return [found.node for found in graph.blogs if found.own and not keys_of(found.node)]
    candidates = [found.node for found in graph.blogs if found.own or not graph.articles]
    if not candidates:
        return []
    most = max(candidates, key=lambda node: len(updates_of([node], graph)))
    return [node for node in candidates if node is most or keys_of(node) == keys_of(most)]


def updates_of(blogs: Sequence[Node], graph: Graph) -> list[Node]:
    """The entries of *blogs* in order: lists flattened, references followed."""
    found: list[Node] = []
    stack = [blog.get(key) for blog in reversed(blogs) for key in reversed(UPDATES)]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, str):
            stack += [graph.by_id[value]] if value in graph.by_id else []
        elif isinstance(value, dict):
            found.append(_followed(value, graph))
    return found


def _followed(node: Node, graph: Graph) -> Node:
    """*node*, or the object that it refers to."""
    name = node.get("@id")
    refers = isinstance(name, str) and not set(node) - {"@id", "@type"}
    return graph.by_id.get(name, node) if refers and isinstance(name, str) else node
