"""Sources over HTTP: requests to use cases, results to answers; no rules of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import orjson
from aiohttp import web
from pydantic import AfterValidator, Field

from slugline.errors import InvalidInputError, LogUnavailableError, Mistake
from slugline.topics import SOURCES
from slugline.view.tail import Tail
from slugline.web.auth import Tokens
from slugline.web.bodies import Body, check, read_json
from slugline.web.endpoints import Endpoint
from slugline.web.problems import Handler, not_found
from slugline_ingest.documents import extractors_by_type
from slugline_ingest.named import blog_id_of
from slugline_ingest.sources import Source, SourceId, is_source_id
from slugline_ingest.sources.poller import Poller
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Gift, Report
from slugline_ingest.sources.service import SourceService

#: Seconds between two polls where nobody says otherwise, and at the most.
INTERVAL, LONGEST = 15.0, 86_400.0


def _kind(name: str) -> str:
    if name not in extractors_by_type():
        raise ValueError(
            f"{name[:100]!r} is not read; choose one of {', '.join(extractors_by_type())}"
        )
    return name


class WantedSource(Body):
    """A source as it is asked for. *interval* is seconds; *type* overrules what the document says it is."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)]
    interval: Annotated[float, Field(ge=1, le=LONGEST, allow_inf_nan=False)] = INTERVAL
    type: Annotated[str, AfterValidator(_kind)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPoll:
    """The last poll: *result* says how it went, *trouble* and *reason* why it failed; what it gave."""

    at: datetime
    result: str
    status: int | None
    trouble: str | None
    reason: str
    created: int
    updated: int
    deleted: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """A source and how it fares. *failures* counts failed polls in a row; *last_published* is what a
    poll last gave that was new, and when; *next* is when it is polled next."""

    blog: str
    source: str
    url: str
    interval: float
    type: str | None
    changed: datetime
    failures: int
    last: ShownPoll | None
    last_published: Gift | None
    next: datetime


_READ = {422: "Invalid; every mistake is named by its field."}
_WRITES = {
    **_READ,
    503: "The log is away; repeating the request is safe.",
    507: "The disk is full; nothing was accepted.",
}


class SourceRoutes:
    """The handlers of `/v1/blogs/{blog}/sources/{source}`."""

    def __init__(
        self,
        service: SourceService,
        sources: SourcesView,
        poller: Poller,
        tail: Tail,
        tokens: Tokens,
    ) -> None:
        self._service = service
        self._sources = sources
        self._poller = poller
        self._tail = tail
        self._tokens = tokens

    def endpoints(self) -> list[Endpoint]:
        """The table of what is answered."""
        path, none = "/v1/blogs/{blog}/sources/{source}", {404: "No such source."}
        return [
            Endpoint(
                method="PUT",
                path=path,
                handler=self._admin(self.put),
                summary="Read the blog from this address, again and again.",
                body=WantedSource,
                returns=ShownSource,
                answers={200: "The source.", **_WRITES},
            ),
            Endpoint(
                method="GET",
                path=path,
                handler=self._admin(self.get),
                summary="The source: its last poll, what it gave, and the next one.",
                returns=ShownSource,
                answers={200: "The source.", **none, **_READ},
            ),
            Endpoint(
                method="DELETE",
                path=path,
                handler=self._admin(self.delete),
                summary="Poll it no more; the entries that it gave stay.",
                answers={204: "It is gone.", **none, **_WRITES},
            ),
        ]

    def _admin(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            self._tokens.require_admin(request)
            return await handler(request)

        return checked

    async def put(self, request: web.Request) -> web.Response:
        blog_id, source_id = blog_id_of(request), _source_id(request)
        wanted = check(WantedSource, await read_json(request))
        source = await self._service.put(
            blog_id, source_id, wanted.url, wanted.interval, wanted.type or ""
        )
        return self._answer(source, stale=False)

    async def get(self, request: web.Request) -> web.Response:
        blog_id, source_id = blog_id_of(request), _source_id(request)
        stale = not await self._caught_up()
        source = self._sources.get(blog_id, source_id)
        if source is None:
            raise not_found("source", source_id)
        return self._answer(source, stale=stale)

    async def delete(self, request: web.Request) -> web.Response:
        await self._service.delete(blog_id_of(request), _source_id(request))
        return web.Response(status=204)

    async def _caught_up(self) -> bool:
        try:
            await self._tail.catch_up([SOURCES])
        except LogUnavailableError:
            return False
        return True

    def _answer(self, source: Source, *, stale: bool) -> web.Response:
        shown = _shown(source, self._poller.report(source))
        return web.Response(
            body=orjson.dumps(shown, option=orjson.OPT_UTC_Z),
            headers={"Slugline-Stale": "true"} if stale else {},
            content_type="application/json",
        )


def _source_id(request: web.Request) -> SourceId:
    name = request.match_info["source"]
    if not is_source_id(name):
        rule = (
            "use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
        )
        raise InvalidInputError(Mistake("source", f"{name[:100]!r} cannot name a source: {rule}"))
    return SourceId(name)


def _shown(source: Source, report: Report | None) -> ShownSource:
    return ShownSource(
        blog=source.blog_id,
        source=source.id,
        url=source.url,
        interval=source.interval,
        type=source.kind or None,
        changed=source.changed,
        failures=report.failures if report else 0,
        last=_shown_poll(report) if report else None,
        last_published=report.gave if report else None,
        next=report.next if report else source.changed,
    )


def _shown_poll(report: Report) -> ShownPoll:
    gave = report.gave if report.gave and report.gave.at == report.at else Gift(at=report.at)
    return ShownPoll(
        at=report.at,
        result=report.result.value,
        status=report.status,
        trouble=report.trouble.value if report.trouble else None,
        reason=report.reason,
        created=gave.created,
        updated=gave.updated,
        deleted=gave.deleted,
        unchanged=report.unchanged,
    )
