"""Ingest over HTTP: requests to use cases, results to answers; no rules of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import orjson
from aiohttp import web

from slugline.blog import BlogId, BlogState, is_blog_id
from slugline.clock import Clock
from slugline.codec import to_json
from slugline.entry import WITHDRAWN_BY_API, EntryId, is_entry_id
from slugline.errors import InvalidInputError, Mistake
from slugline.view.entries import EntriesView
from slugline.web.auth import Tokens
from slugline.web.bodies import check, read_json
from slugline.web.endpoints import Endpoint
from slugline.web.problems import Handler, Problem, not_found
from slugline_ingest.documents import extractor_for, location_of, text_of_document
from slugline_ingest.extractors import Document
from slugline_ingest.merge import plan_snapshot
from slugline_ingest.plan import Plan, created_or_known
from slugline_ingest.pushed import PushedBlog, PushedEntry, entry_of, read_entries
from slugline_ingest.snapshot import Snapshot
from slugline_ingest.writer import BlogWriter, Written

#: Runs a long, pure computation somewhere else than on the event loop.
Elsewhere = Callable[[Callable[[], Snapshot]], Awaitable[Snapshot]]


async def in_a_thread(work: Callable[[], Snapshot]) -> Snapshot:
    """The `Elsewhere` of a running service."""
    return await asyncio.to_thread(work)


class Routes:
    """The handlers of ingest's interface."""

    def __init__(
        self,
        writer: BlogWriter,
        entries: EntriesView,
        tokens: Tokens,
        clock: Clock,
        authority: str,
        elsewhere: Elsewhere = in_a_thread,
    ) -> None:
        self._writer = writer
        self._entries = entries
        self._tokens = tokens
        self._clock = clock
        self._authority = authority
        self._elsewhere = elsewhere

    def endpoints(self) -> list[Endpoint]:
        """The table of what ingest answers."""
        blog, entry = "/v1/blogs/{blog}", "/v1/blogs/{blog}/entries/{entry}"
        written = {200: "What was created, updated, deleted and left unchanged."}
        refused = {
            422: "Invalid; every mistake is named by its field.",
            503: "The log is away; nothing is lost by repeating the request.",
            507: "The disk is full; nothing was accepted.",
        }
        return [
            Endpoint(
                method="PUT",
                path=blog,
                handler=self._admin(self.put_blog),
                summary="Make a blog, or change what it says of itself.",
                body=PushedBlog,
                answers={**written, 400: "No JSON.", **refused},
            ),
            Endpoint(
                method="GET",
                path=blog,
                handler=self._admin(self.get_blog),
                summary="The blog's own record.",
                answers={200: "The blog.", 404: "No such blog."},
            ),
            Endpoint(
                method="POST",
                path=f"{blog}/documents",
                handler=self._admin(self.post_document),
                summary="Read a live page as it is, and publish what is new or changed in it.",
                takes=("text/plain",),
                answers={
                    **written,
                    409: "The blog was removed.",
                    413: "Over 10 MB.",
                    415: "Unknown kind of document.",
                    **refused,
                },
            ),
            Endpoint(
                method="POST",
                path=f"{blog}/entries",
                handler=self._admin(self.post_entries),
                summary="Publish one entry, or a list that is taken whole or refused whole.",
                body=PushedEntry,
                answers={
                    **written,
                    400: "No JSON.",
                    409: "An entry was withdrawn, or the blog removed.",
                    413: "Over 10 MB.",
                    **refused,
                },
            ),
            Endpoint(
                method="GET",
                path=entry,
                handler=self._admin(self.get_entry),
                summary="The entry at its newest revision.",
                answers={200: "The entry.", 404: "No such entry."},
            ),
            Endpoint(
                method="PUT",
                path=entry,
                handler=self._admin(self.put_entry),
                summary="Publish the entry under this id; brings a withdrawn one back.",
                body=PushedEntry,
                answers={**written, 400: "No JSON.", 409: "The blog was removed.", **refused},
            ),
            Endpoint(
                method="DELETE",
                path=entry,
                handler=self._admin(self.delete_entry),
                summary="Withdraw the entry: its text goes, everywhere.",
                answers={**written, 404: "No such entry.", **refused},
            ),
        ]

    def _admin(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            self._tokens.require_admin(request)
            return await handler(request)

        return checked

    # --- blogs ------------------------------------------------------------------------------------

    async def put_blog(self, request: web.Request) -> web.Response:
        blog_id = _blog_id(request)
        pushed = check(PushedBlog, await read_json(request))

        def planner(plan: Plan) -> None:
            plan.put_blog(pushed.onto(created_or_known(plan.state, blog_id, self._authority)))

        return _answer(await self._writer.write(blog_id, planner))

    async def get_blog(self, request: web.Request) -> web.Response:
        blog_id = _blog_id(request)
        row = self._entries.blog(blog_id)
        if row is None:
            raise not_found("blog", blog_id)
        return _json({**to_json(row.blog), "sequence": row.sequence})

    # --- entries ----------------------------------------------------------------------------------

    async def post_entries(self, request: web.Request) -> web.Response:
        blog_id = _blog_id(request)
        pushed = read_entries(await read_json(request))

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            entries = [entry_of(item, blog_id, plan.now) for item in pushed]
            gone = [e.id for e in entries if _is_withdrawn(plan, e.id)]
            if gone:
                detail = f"Withdrawn: {', '.join(gone)}. PUT an entry to bring it back; nothing was taken."
                raise Problem(409, "Withdrawn", detail)
            plan.put_blog(created_or_known(plan.state, blog_id, self._authority))
            for entry in {e.id: e for e in entries}.values():
                plan.put_entry(entry)

        return _answer(await self._writer.write(blog_id, planner))

    async def put_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id = _blog_id(request), _entry_id(request)
        pushed = check(PushedEntry, await read_json(request))
        if pushed.id not in (None, entry_id):
            raise InvalidInputError(
                Mistake("id", f"is not the address's {entry_id!r}; leave it out")
            )

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            plan.put_blog(created_or_known(plan.state, blog_id, self._authority))
            plan.put_entry(entry_of(pushed, blog_id, plan.now, entry_id))

        return _answer(await self._writer.write(blog_id, planner, restores=True))

    async def get_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id = _blog_id(request), _entry_id(request)
        row = self._entries.entry(blog_id, entry_id)
        if row is None:
            raise not_found("entry", entry_id)
        return _json({**to_json(row.entry), "sequence": row.sequence})

    async def delete_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id = _blog_id(request), _entry_id(request)

        def planner(plan: Plan) -> None:
            row = plan.state.entries.get(entry_id)
            if row is None:
                raise not_found("entry", entry_id)
            plan.withdraw(row, WITHDRAWN_BY_API)

        return _answer(await self._writer.write(blog_id, planner))

    # --- documents --------------------------------------------------------------------------------

    async def post_document(self, request: web.Request) -> web.Response:
        blog_id = _blog_id(request)
        location = location_of(request)
        data = await request.read()
        extractor = extractor_for(request.content_type, data)
        row = self._entries.blog(blog_id)
        document = Document(
            text=text_of_document(data, request.charset),
            received=self._clock.now(),
            timezone=row.blog.timezone if row else "UTC",
            location=location,
        )
        snapshot = await self._elsewhere(lambda: extractor.extract(document))

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            plan_snapshot(plan, blog_id, self._authority, snapshot)

        return _answer(await self._writer.write(blog_id, planner))


def _blog_id(request: web.Request) -> BlogId:
    name = request.match_info["blog"]
    if not is_blog_id(name):
        rule = "use a-z, 0-9, '.', '_' and '-', at most 100, beginning with a letter or digit"
        raise InvalidInputError(Mistake("blog", f"{name[:100]!r} cannot name a blog: {rule}"))
    return BlogId(name)


def _entry_id(request: web.Request) -> EntryId:
    name = request.match_info["entry"]
    if not is_entry_id(name):
        rule = "use A-Z, a-z, 0-9, '.', '_', ':' and '-', at most 200"
        raise InvalidInputError(Mistake("entry", f"{name[:200]!r} cannot name an entry: {rule}"))
    return EntryId(name)


def _refuse_removed(plan: Plan) -> None:
    if plan.state.blog and plan.state.blog.blog.state is BlogState.REMOVED:
        detail = "PUT the blog with state 'live' to take entries again."
        raise Problem(409, "The blog was removed", detail)


def _is_withdrawn(plan: Plan, entry_id: EntryId) -> bool:
    row = plan.state.entries.get(entry_id)
    return bool(row and row.entry.withdrawn)


def _answer(written: Written) -> web.Response:
    body = asdict(written)
    if not body["note"]:
        del body["note"]
    return _json(body)


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
