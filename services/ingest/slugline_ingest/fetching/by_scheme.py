"""Fetching from wherever an address points: the web, or the folder of sources."""

import asyncio

from slugline.egress import EgressGuard, Resolver, approved
from slugline_ingest.fetching import Fetch, Validators
from slugline_ingest.fetching.files import SCHEME, FileFetcher
from slugline_ingest.fetching.web import CONNECT, WebFetcher


class SchemeFetcher:
    """The fetcher of a running service; also judges an address before anything is fetched."""

    def __init__(
        self, web: WebFetcher, files: FileFetcher, guard: EgressGuard, resolver: Resolver
    ) -> None:
        self._web = web
        self._files = files
        self._guard = guard
        self._resolver = resolver

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        if url.startswith(SCHEME):
            return await self._files.fetch(url, known)
        return await self._web.fetch(url, known)

    async def check(self, url: str) -> None:
        """Raise EgressRefusedError where *url* is one that will never be fetched.

        A name that has no address now may have one later: that shows when it is polled.
        """
        if url.startswith(SCHEME):
            self._files.check_url(url)
            return
        wanted = self._guard.check_url(url)
        try:
            async with asyncio.timeout(CONNECT):
                good, refused = await approved(self._guard, self._resolver, wanted)
        except (OSError, UnicodeError):  # a time-out is an OSError too
            return
        if refused and not good:
            raise refused
