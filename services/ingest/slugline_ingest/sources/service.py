"""The use cases: name a source, take it away."""

import asyncio
from collections.abc import Sequence

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.errors import OutcomeUnknownError
from slugline.log import Log, Record, TopicPartition
from slugline.topics import SOURCES
from slugline.view.tail import Tail
from slugline.web.problems import not_found
from slugline_ingest.fetching.by_scheme import SchemeFetcher
from slugline_ingest.sources import Source, SourceId, deleted_source, encode_source
from slugline_ingest.sources.projection import SourcesView

#: How long a write may take until its own record is in the view, in seconds.
WITHIN = 5.0


class SourceService:
    """Writes what is to be polled; the poller of its partition carries it out."""

    def __init__(
        self, log: Log, tail: Tail, sources: SourcesView, fetcher: SchemeFetcher, clock: Clock
    ) -> None:
        self._log = log
        self._tail = tail
        self._sources = sources
        self._fetcher = fetcher
        self._clock = clock

    async def put(
        self, blog_id: BlogId, source_id: SourceId, url: str, interval: float, kind: str
    ) -> Source:
        """Poll *url* from now on. Raises EgressRefusedError, LogError."""
        await self._fetcher.check(url)
        await self._tail.catch_up([SOURCES])
        known = self._sources.get(blog_id, source_id)
        wanted = (url, interval, kind)
        if known and (known.url, known.interval, known.kind) == wanted:
            return known
        source = Source(
            blog_id=blog_id,
            id=source_id,
            url=url,
            interval=interval,
            kind=kind,
            changed=self._clock.now(),
        )
        await self._write([encode_source(source)])
        return source

    async def delete(self, blog_id: BlogId, source_id: SourceId) -> None:
        """Poll it no more; what it gave stays. Raises Problem 404, LogError."""
        await self._tail.catch_up([SOURCES])
        if self._sources.get(blog_id, source_id) is None:
            raise not_found("source", source_id)
        await self._write(deleted_source(blog_id, source_id))

    async def _write(self, records: Sequence[Record]) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                offsets = await self._log.publish(records)
                ends = {TopicPartition(o.topic, o.partition): o.offset + 1 for o in offsets}
                await self._tail.reached(ends)
        except TimeoutError as error:
            raise OutcomeUnknownError("the log did not acknowledge the write in time") from error
