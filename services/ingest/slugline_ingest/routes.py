"""Ingest over HTTP: requests to use cases, results to answers; no rules of its own."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson
from aiohttp import web

from slugline.blog import BlogState
from slugline.clock import Clock
from slugline.codec import to_json
from slugline.entry import WITHDRAWN_BY_API, Entry, EntryId, is_entry_id
from slugline.errors import InvalidInputError, Mistake
from slugline.view.entries import EntriesView
from slugline.web.auth import Tokens
from slugline.web.bodies import check, read_bytes, read_json
from slugline.web.endpoints import Endpoint
from slugline.web.problems import Handler, Problem, not_found
from slugline_ingest.described import (
    DELETE_ENTRY,
    GET_BLOG,
    GET_ENTRY,
    POST_DOCUMENT,
    POST_ENTRIES,
    PUT_BLOG,
    PUT_ENTRY,
)
from slugline_ingest.documents import extractor_for, location_of, text_of_document
from slugline_ingest.elsewhere import Elsewhere, in_a_thread
from slugline_ingest.extractors import Document
from slugline_ingest.merge import plan_snapshot
from slugline_ingest.named import blog_id_of
from slugline_ingest.plan import Plan, created_or_known, oldest_first
from slugline_ingest.pushed import PushedBlog, PushedEntry, entries_of, read_entries
from slugline_ingest.writer import BlogWriter, Written


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
        return [
            Endpoint(
                method=method,
                path=f"/v1/blogs/{{blog}}{path}",
                handler=self._admin(handler),
                **described,
            )
            for method, path, handler, described in (
                ("PUT", "", self.put_blog, PUT_BLOG),
                ("GET", "", self.get_blog, GET_BLOG),
                ("POST", "/documents", self.post_document, POST_DOCUMENT),
                ("POST", "/entries", self.post_entries, POST_ENTRIES),
                ("GET", "/entries/{entry}", self.get_entry, GET_ENTRY),
                ("PUT", "/entries/{entry}", self.put_entry, PUT_ENTRY),
                ("DELETE", "/entries/{entry}", self.delete_entry, DELETE_ENTRY),
            )
        ]

    def _admin(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            self._tokens.require_admin(request)
            return await handler(request)

        return checked

    # --- blogs ------------------------------------------------------------------------------------

    async def put_blog(self, request: web.Request) -> web.Response:
        blog_id = blog_id_of(request)
        pushed = check(PushedBlog, await read_json(request))

        def planner(plan: Plan) -> None:
            plan.put_blog(pushed.onto(created_or_known(plan.state, blog_id, self._authority)))

        return _answer(await self._writer.write(blog_id, planner))

    async def get_blog(self, request: web.Request) -> web.Response:
        blog_id = blog_id_of(request)
        row = self._entries.blog(blog_id)
        if row is None:
            raise not_found("blog", blog_id)
        return _json({**to_json(row.blog), "sequence": row.sequence})

    # --- entries ----------------------------------------------------------------------------------

    async def post_entries(self, request: web.Request) -> web.Response:
        blog_id, now = blog_id_of(request), self._clock.now()
        value = await read_json(request)
        entries = await self._elsewhere(
            lambda: entries_of(read_entries(value), blog_id, now, listed=isinstance(value, list))
        )

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            _refuse_withdrawn(plan, entries)
            plan.put_blog(created_or_known(plan.state, blog_id, self._authority))
            for entry in oldest_first(entries):
                plan.put_entry(entry)

        return _answer(await self._writer.write(blog_id, planner))

    async def put_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id, now = blog_id_of(request), _entry_id(request), self._clock.now()
        pushed = check(PushedEntry, await read_json(request))
        if pushed.id not in (None, entry_id):
            raise InvalidInputError(
                Mistake("id", f"is not the address's {entry_id!r}; leave it out")
            )
        named = pushed.model_copy(update={"id": entry_id})
        (entry,) = await self._elsewhere(lambda: entries_of([named], blog_id, now, listed=False))

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            plan.put_blog(created_or_known(plan.state, blog_id, self._authority))
            plan.put_entry(entry)

        return _answer(await self._writer.write(blog_id, planner))

    async def get_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id = blog_id_of(request), _entry_id(request)
        row = self._entries.entry(blog_id, entry_id)
        if row is None:
            raise not_found("entry", entry_id)
        return _json({**to_json(row.entry), "sequence": row.sequence})

    async def delete_entry(self, request: web.Request) -> web.Response:
        blog_id, entry_id = blog_id_of(request), _entry_id(request)

        def planner(plan: Plan) -> None:
            row = plan.state.entries.get(entry_id)
            if row is None:
                raise not_found("entry", entry_id)
            plan.withdraw(row, WITHDRAWN_BY_API)

        return _answer(await self._writer.write(blog_id, planner))

    # --- documents --------------------------------------------------------------------------------

    async def post_document(self, request: web.Request) -> web.Response:
        blog_id = blog_id_of(request)
        location = location_of(request)
        data = await read_bytes(request)
        extractor = extractor_for(request.content_type, data)
        row = self._entries.blog(blog_id)
        document = Document(
            text=text_of_document(data, request.charset),
            received=self._clock.now(),
            timezone=row.blog.timezone if row else "UTC",
            location=location,
        )
        read = await self._elsewhere(lambda: extractor.extract(document))
        snapshot = replace(read, link=read.link or location)

        def planner(plan: Plan) -> None:
            _refuse_removed(plan)
            plan_snapshot(plan, blog_id, self._authority, snapshot)

        return _answer(await self._writer.write(blog_id, planner))


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


def _refuse_withdrawn(plan: Plan, entries: Sequence[Entry]) -> None:
    rows = [plan.state.entries.get(entry.id) for entry in entries]
    gone = [row.entry.id for row in rows if row and row.entry.withdrawn]
    if gone:
        some = ", ".join(gone[:20]) + (f" and {len(gone) - 20} more" if len(gone) > 20 else "")
        detail = f"Withdrawn: {some}. PUT an entry to bring it back; nothing was taken."
        raise Problem(409, "Withdrawn", detail)


def _answer(written: Written) -> web.Response:
    body = asdict(written)
    if not body["note"]:
        del body["note"]
    return _json(body)


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
