"""The poller: polls the sources of the partitions that are ours, one poll per blog at a time.

Who owns a partition is told by the log's group, and can be lost at any await. On loss everything is
cut and forgotten, also what is known of a source's document: somebody else may have read a newer
one meanwhile, and the old one's validators would hide what it says.
"""

import asyncio
from collections.abc import Sequence

import structlog

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.errors import LogError
from slugline.log import Log
from slugline.telemetry import Metrics
from slugline.topics import SOURCES
from slugline_ingest.fetching import Trouble
from slugline_ingest.sources import Source, report_record
from slugline_ingest.sources.poll import Poll
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Report, Result, encode_report
from slugline_ingest.sources.turns import Turns

GROUP = "slugline-poll"
#: A report in which only the times are new is written this often, in seconds.
REPORT_EVERY = 60.0
#: Nothing happens here by itself.
HOUR = 3600.0
#: How long a blog rests after a fault of our own, in seconds.
AFTER_FAULT = 5.0

logger = structlog.get_logger()


class Poller:
    """Starts and stops the polling of blogs as their partitions come and go."""

    def __init__(
        self, log: Log, sources: SourcesView, poll: Poll, clock: Clock, metrics: Metrics
    ) -> None:
        self._log = log
        self._sources = sources
        self._poll = poll
        self._clock = clock
        self._metrics = metrics
        self._share: frozenset[int] = frozenset()
        self._blogs: dict[BlogId, tuple[int, Turns, asyncio.Task[None]]] = {}
        #: When the report in the log was written, monotonic, by blog and source.
        self._written: dict[tuple[str, str], float] = {}
        sources.listen(self._sources_changed)

    async def run(self) -> None:
        """Take part in the group until cancelled; then stop all polls."""
        async with self._log.own(SOURCES, GROUP, self.share_changed):
            while True:
                await self._clock.sleep(HOUR)

    async def share_changed(self, share: frozenset[int]) -> None:
        """Stop the polls of what is no longer ours; start those of what is."""
        self._share = share
        lost = [blog for blog, (partition, *_) in self._blogs.items() if partition not in share]
        tasks = [self._blogs.pop(blog)[2] for blog in lost]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for partition in sorted(share):
            for blog_id in self._sources.blogs_in(partition):
                self._start(blog_id, partition)

    def report(self, source: Source) -> Report | None:
        """How the last poll went: as we know it where it is ours, else as the log has it."""
        found = self._blogs.get(source.blog_id)
        mine = found[1].report(source.id) if found else None
        return mine if mine and mine.of == source.changed else self._sources.report(source)

    def facts(self) -> dict[str, int]:
        """What `/healthz` shows."""
        turns = [turns for _, turns, _ in self._blogs.values()]
        return {"blogs_polled": len(turns), "failing": sum(each.failing for each in turns)}

    def _sources_changed(self, blogs: Sequence[BlogId]) -> None:
        for blog_id in blogs:
            partition = self._sources.partition_of(blog_id)
            if blog_id in self._blogs:
                self._blogs[blog_id][1].wake()
            elif partition is not None and partition in self._share:
                self._start(blog_id, partition)

    def _start(self, blog_id: BlogId, partition: int) -> None:
        if blog_id in self._blogs:
            return
        turns = Turns(blog_id, self._sources, self._poll, self._clock, self._polled)
        task = asyncio.get_running_loop().create_task(self._keep_running(turns, blog_id))
        self._blogs[blog_id] = partition, turns, task
        task.add_done_callback(lambda done: self._ended(blog_id, done))

    async def _keep_running(self, turns: Turns, blog_id: BlogId) -> None:
        """A fault of our own costs this blog some seconds, and nobody else anything."""
        while True:
            try:
                return await turns.run()
            except Exception:
                logger.exception("source.fault", blog_id=blog_id)
            await self._clock.sleep(AFTER_FAULT)

    def _ended(self, blog_id: BlogId, task: asyncio.Task[None]) -> None:
        found = self._blogs.get(blog_id)
        if found and found[2] is task:
            del self._blogs[blog_id]
            self._sources_changed([blog_id])  # one may have been added while it ended

    # --- what is told of a poll -------------------------------------------------------------------------

    async def _polled(self, source: Source, report: Report, before: Report | None) -> None:
        self._metrics.polls.labels(report.trouble or report.result).inc()
        changed = before is None or before.state != report.state
        _tell(source, report, before, changed=changed)
        gave = report.result is Result.PUBLISHED
        if changed or gave or self._is_due(source):
            await self._write(source, report)

    def _is_due(self, source: Source) -> bool:
        written = self._written.get((source.blog_id, source.id))
        return written is None or self._clock.monotonic() - written >= REPORT_EVERY

    async def _write(self, source: Source, report: Report) -> None:
        """For the other replicas, and for whoever owns it next. It can do without."""
        try:
            await self._log.publish([report_record(source, encode_report(report))])
            self._written[source.blog_id, source.id] = self._clock.monotonic()
        except LogError as error:
            logger.debug("source.report_lost", source_id=source.id, reason=str(error))


def _tell(source: Source, report: Report, before: Report | None, *, changed: bool) -> None:
    """One line per fact, and per change of state; a source that goes on failing says so once."""
    if Trouble.LOG_AWAY in (report.trouble, before.trouble if before else None):
        return  # the tail has told of that
    about = logger.bind(blog_id=source.blog_id, source_id=source.id, url=source.url)
    gave = report.gave
    if gave and report.result is Result.PUBLISHED:
        counts = {"created": gave.created, "updated": gave.updated, "deleted": gave.deleted}
        about.info("source.published", **counts)
    if report.result is Result.FAILED and changed:
        about.warning("source.failing", trouble=report.trouble, reason=report.reason)
    elif report.result is Result.NO_ENTRIES and changed:
        about.warning("source.without_entries", reason=report.reason)
    elif changed and before is not None:
        about.info("source.recovered", failures=before.failures)
