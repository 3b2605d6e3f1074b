"""One poll of a source: fetch, extract, publish, and only then remember what was fetched."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b

from slugline.blog import BlogState
from slugline.clock import Clock
from slugline.errors import InvalidInputError, LogError, RecordRefusedError
from slugline.topics import ENTRIES, SOURCES
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.problems import Problem
from slugline_ingest.documents import extractor_for
from slugline_ingest.elsewhere import Elsewhere
from slugline_ingest.extractors import Document
from slugline_ingest.fetching import Failed, Fetched, Fetcher, NotModified, Trouble, Validators
from slugline_ingest.fetching.charset import text_of_page
from slugline_ingest.merge import NO_ENTRY, plan_snapshot
from slugline_ingest.plan import Plan
from slugline_ingest.sanitise import clean_text
from slugline_ingest.snapshot import Snapshot
from slugline_ingest.sources import Source
from slugline_ingest.sources.report import Result
from slugline_ingest.writer import BlogWriter, Written

#: How many documents are fetched, and read, at once: each may take its ten megabytes several times.
FETCHES, READINGS = 32, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of the document whose entries are in the log."""

    validators: Validators | None = None
    #: Of its bytes, and of what was read in them.
    digest: bytes = b""
    said: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one poll went, and what is to be remembered from now on."""

    result: Result
    memory: Memory
    trouble: Trouble | None = None
    status: int | None = None
    reason: str = ""
    retry_after: timedelta | None = None
    written: Written | None = None


class Poll:
    """Polls sources, one call for each time; which source and when is somebody else's."""

    def __init__(
        self,
        fetcher: Fetcher,
        writer: BlogWriter,
        entries: EntriesView,
        tail: Tail,
        clock: Clock,
        authority: str,
        elsewhere: Elsewhere,
    ) -> None:
        self._fetcher = fetcher
        self._writer = writer
        self._entries = entries
        self._tail = tail
        self._clock = clock
        self._authority = authority
        self._elsewhere = elsewhere
        self._fetches = asyncio.Semaphore(FETCHES)
        self._readings = asyncio.Semaphore(READINGS)

    async def once(self, source: Source, memory: Memory) -> Outcome:
        """Poll *source*, of which *memory* is known. Raises nothing that is expected."""
        try:
            # What cannot be published need not be fetched; and the source may be gone by now.
            await self._tail.catch_up([SOURCES, ENTRIES])
            return await self._once(source, memory)
        except RecordRefusedError as error:
            return _failed(memory, Trouble.UNREADABLE, f"an entry is too large: {error}")
        except LogError as error:
            return _failed(memory, Trouble.LOG_AWAY, str(error))
        except InvalidInputError as error:
            return _failed(memory, Trouble.UNREADABLE, str(error))
        except Problem as problem:
            return _failed(memory, Trouble.UNREADABLE, str(problem.body.get("detail", problem)))

    async def _once(self, source: Source, memory: Memory) -> Outcome:
        row = self._entries.blog(source.blog_id)
        if row and row.blog.state is BlogState.REMOVED:
            reason = "the blog was removed; PUT it with state 'live', or remove the source"
            return _failed(memory, Trouble.BLOG_REMOVED, reason)
        async with self._fetches:
            found = await self._fetcher.fetch(source.url, memory.validators)
        if isinstance(found, Failed):
            failed = _failed(memory, found.trouble, found.reason)
            return replace(failed, status=found.status, retry_after=found.retry_after)
        if isinstance(found, NotModified):
            return Outcome(result=Result.NOT_MODIFIED, memory=memory, status=304)
        digest = _digest(found.data)
        now_known = replace(memory, validators=found.validators, digest=digest)
        if digest == memory.digest:
            return Outcome(result=Result.UNCHANGED, memory=now_known, status=200)
        return await self._publish(source, found, memory, now_known)

    async def _publish(
        self, source: Source, found: Fetched, memory: Memory, now_known: Memory
    ) -> Outcome:
        async with self._readings:
            snapshot, said = await self._read(source, found)
        if said == memory.said:  # only what stands around the blog is new
            return Outcome(result=Result.UNCHANGED, memory=now_known, status=200)
        if not snapshot.entries:
            return Outcome(result=Result.NO_ENTRIES, memory=memory, status=200, reason=NO_ENTRY)

        def planner(plan: Plan) -> None:
            plan_snapshot(plan, source.blog_id, self._authority, snapshot)

        written = await self._writer.write(source.blog_id, planner)
        gave = written.created or written.updated or written.deleted
        result = Result.PUBLISHED if gave else Result.UNCHANGED
        now_known = replace(now_known, said=said)
        return Outcome(result=result, memory=now_known, status=200, written=written)

    async def _read(self, source: Source, found: Fetched) -> tuple[Snapshot, bytes]:
        """What *found* holds, and a digest of it."""
        row = self._entries.blog(source.blog_id)
        timezone, received = row.blog.timezone if row else "UTC", self._clock.now()

        def look() -> tuple[Snapshot, bytes]:
            extractor = extractor_for(source.kind or found.kind, found.data)
            text = clean_text(text_of_page(found.data, found.charset)).removeprefix("\ufeff")
            document = Document(
                text=text, received=received, timezone=timezone, location=found.location
            )
            read = extractor.extract(document)
            snapshot = replace(read, link=read.link or found.location)
            return snapshot, _said(snapshot)

        return await self._elsewhere(look)


# The extractor keeps what it read of the newest pages: what was in them is digested as seldom.
@lru_cache(maxsize=4)
def _said(snapshot: Snapshot) -> bytes:
    return _digest(repr(snapshot).encode(errors="replace"))


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _failed(memory: Memory, trouble: Trouble, reason: str) -> Outcome:
    return Outcome(result=Result.FAILED, memory=memory, trouble=trouble, reason=reason)
