"""A newsroom whose live page changes: what ingest polls."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import orjson

from slugline.entry import Entry
from tests.integration.bad_site import Site, a_site
from tests.simulation.checker import Accepted

#: As many entries as a page shows, the newest first.
WINDOW = 40


class Newsroom:
    """A live page for each blog; entries are posted to it and corrected on it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages: dict[str, dict[str, str]] = {}
        self._said = 0

    def open(self, blog: str) -> str:
        """A page for *blog*, which has no entry yet; its address."""
        self._pages[blog] = {}
        return self._show(blog)

    def post(self, blog: str) -> str:
        """One entry more on the page of *blog*; its text."""
        return self._say(blog, f"p{self._said}")

    def correct(self, blog: str) -> str:
        """Another text for the newest entry on the page of *blog*, which has one."""
        return self._say(blog, next(reversed(self._pages[blog])))

    def entries(self, blog: str) -> int:
        """How many entries *blog* has had."""
        return len(self._pages[blog])

    def _say(self, blog: str, entry: str) -> str:
        self._said += 1
        text = f"Seen from the newsroom, sentence {self._said}."
        self._pages[blog][entry] = text
        self._show(blog)
        return text

    def _show(self, blog: str) -> str:
        shown = list(self._pages[blog].items())[-WINDOW:]
        document = {
            "@context": "https://schema.org",
            "@type": "LiveBlogPosting",
            "headline": f"Live: {blog}",
            "liveBlogUpdate": [
                {
                    "@type": "BlogPosting",
                    "@id": f"#{entry}",
                    "headline": f"Heading {entry}",
                    "articleBody": text,
                    "datePublished": "2026-11-22T12:00:00Z",
                }
                for entry, text in reversed(shown)
            ],
        }
        script = orjson.dumps(document).decode()
        html = f'<html><script type="application/ld+json">{script}</script></html>'
        return self._site.page(f"/{blog}", html)

    def faults(self, events: Sequence[Accepted]) -> Iterator[str]:
        """What the pages show and the log does not hold once."""
        said = Counter(
            (accepted.blog, accepted.event.subject.body_text)
            for accepted in events
            if isinstance(accepted.event.subject, Entry)
        )
        for blog, entries in self._pages.items():
            for entry, text in list(entries.items())[-WINDOW:]:
                if said[blog, text] != 1:
                    yield f"{blog}/{entry} on the page, and {said[blog, text]} times in the log"


@asynccontextmanager
async def newsroom() -> AsyncIterator[Newsroom]:
    """A newsroom's site, on a port of this machine."""
    async with a_site() as site:
        yield Newsroom(site)
