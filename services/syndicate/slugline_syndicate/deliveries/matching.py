"""Which subscriptions may want an event: an index by blog, so that an event costs those alone."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from slugline_syndicate.deliveries.subscription import EVERY_BLOG

T = TypeVar("T")


class Matcher(Generic[T]):
    """Things by the blogs that they are about; in the order in which they were added."""

    def __init__(self) -> None:
        self._by_blog: dict[str, dict[int, T]] = {}
        self._blogs: dict[int, tuple[str, ...]] = {}

    def add(self, thing: T, blogs: Iterable[str]) -> None:
        """Add *thing* for *blogs* (or `*`: for all), in place of what it was added for before."""
        self.remove(thing)
        self._blogs[id(thing)] = tuple(dict.fromkeys(blogs))
        for blog in self._blogs[id(thing)]:
            self._by_blog.setdefault(blog, {})[id(thing)] = thing

    def remove(self, thing: T) -> None:
        """Take *thing* out, where it is in."""
        for blog in self._blogs.pop(id(thing), ()):
            things = self._by_blog[blog]
            del things[id(thing)]
            if not things:
                del self._by_blog[blog]

    def of(self, blog: str) -> Iterator[T]:
        """Everything for *blog*, once each."""
        named = self._by_blog.get(blog, {})
        yield from list(named.values())
        for key, thing in list(self._by_blog.get(EVERY_BLOG, {}).items()):
            if key not in named:
                yield thing
