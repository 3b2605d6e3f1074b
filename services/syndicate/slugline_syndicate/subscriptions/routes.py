"""Subscriptions over HTTP: requests to use cases, results to answers; no rules of its own."""

from typing import Any

import orjson
from aiohttp import web

from slugline.errors import InvalidInputError, LogUnavailableError, Mistake
from slugline.topics import ENTRIES
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.auth import Tokens, bearer
from slugline.web.bodies import check, read_json
from slugline.web.endpoints import Endpoint
from slugline.web.problems import Problem
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.subscription import Subscription
from slugline_syndicate.subscriptions import described
from slugline_syndicate.subscriptions.described import MOST, PAGE
from slugline_syndicate.subscriptions.models import (
    NewSubscription,
    Resumption,
    SubscriptionChange,
)
from slugline_syndicate.subscriptions.service import SubscriptionService
from slugline_syndicate.subscriptions.shown import page, shown, summary

#: Numbers with more digits are nonsense, and Python refuses to read the longest of them.
DIGITS = 18


class SubscriptionRoutes:
    """The handlers of `/v1/subscriptions`."""

    def __init__(
        self,
        service: SubscriptionService,
        views: DeliveryViews,
        entries: EntriesView,
        tail: Tail,
        tokens: Tokens,
    ) -> None:
        self._service = service
        self._views = views
        self._entries = entries
        self._tail = tail
        self._tokens = tokens

    def endpoints(self) -> list[Endpoint]:
        """The table of what is answered."""
        return [
            Endpoint(
                method=method, path=f"/v1/subscriptions{path}", handler=handler, **described_as
            )
            for method, path, handler, described_as in (
                ("POST", "", self.create, described.CREATE),
                ("GET", "", self.list, described.LIST),
                ("GET", "/{id}", self.read, described.READ),
                ("PATCH", "/{id}", self.change, described.CHANGE),
                ("DELETE", "/{id}", self.delete, described.DELETE),
                ("POST", "/{id}/pause", self.pause, described.PAUSE),
                ("POST", "/{id}/resume", self.resume, described.RESUME),
                ("POST", "/{id}/test", self.test, described.TEST),
                ("GET", "/{id}/attempts", self.attempts, described.ATTEMPTS),
                ("GET", "/{id}/dead-letters", self.dead_letters, described.DEAD_LETTERS),
            )
        ]

    async def create(self, request: web.Request) -> web.Response:
        self._tokens.require_admin(request)
        wanted = check(NewSubscription, await read_json(request))
        made = await self._service.make(wanted)
        body = {**self._shown(made.subscription), "secret": made.secret, "token": made.token}
        headers = {
            "Location": f"/v1/subscriptions/{made.subscription.id}",
            **_etag(made.subscription),
        }
        return _json(body, status=201, headers=headers)

    async def list(self, request: web.Request) -> web.Response:
        self._tokens.require_admin(request)
        stale = await self._catch_up()
        limit, after = _limit(request), request.query.get("after", "")
        found = self._views.subscriptions.page(after, limit + 1)
        following = found[limit - 1].id if len(found) > limit else None
        items = [summary(each, self._views.cursors.get(each.id)) for each in found[:limit]]
        return _json({"items": items, "next": following}, headers=stale)

    async def read(self, request: web.Request) -> web.Response:
        bearer(request)
        stale = await self._catch_up()
        subscription = self._own(request)
        return _json(self._shown(subscription), headers={**_etag(subscription), **stale})

    async def change(self, request: web.Request) -> web.Response:
        await self._own_now(request)
        revision = _if_match(request)
        wanted = check(SubscriptionChange, await read_json(request))
        after = await self._service.change(request.match_info["id"], wanted, revision)
        return _json(self._shown(after), headers=_etag(after))

    async def delete(self, request: web.Request) -> web.Response:
        await self._own_now(request)
        await self._service.delete(request.match_info["id"], _if_match(request))
        return web.Response(status=204)

    async def pause(self, request: web.Request) -> web.Response:
        await self._own_now(request)
        after = await self._service.pause(request.match_info["id"])
        return _json(self._shown(after), headers=_etag(after))

    async def resume(self, request: web.Request) -> web.Response:
        await self._own_now(request)
        body = await read_json(request) if request.can_read_body else {}
        wanted = check(Resumption, body)
        after = await self._service.resume(request.match_info["id"], wanted.mode)
        return _json(self._shown(after), headers=_etag(after))

    async def test(self, request: web.Request) -> web.Response:
        await self._own_now(request)
        event = await self._service.test(request.match_info["id"])
        return _json({"event": event}, status=202)

    async def attempts(self, request: web.Request) -> web.Response:
        bearer(request)
        stale = await self._catch_up()
        name, limit = self._own(request).id, _limit(request)
        found = self._views.attempts.page(name, _after(request), limit + 1)
        return _json(page(found, limit), headers=stale)

    async def dead_letters(self, request: web.Request) -> web.Response:
        bearer(request)
        stale = await self._catch_up()
        name, limit = self._own(request).id, _limit(request)
        found = self._views.dead_letters.page(name, _after(request), limit + 1)
        return _json(page(found, limit), headers=stale)

    # --- inside -------------------------------------------------------------------------------------

    def _own(self, request: web.Request) -> Subscription:
        """The subscription of the address, for the admin and the holder of its own token."""
        bearer(request)
        subscription = self._views.subscriptions.get(request.match_info["id"])
        self._tokens.require(request, subscription.token_hash if subscription else None)
        if subscription is None:
            raise Problem(404, "No such subscription", "Check the id and the token.")
        return subscription

    async def _own_now(self, request: web.Request) -> Subscription:
        """The same for a change: the subscription as the log has it. Raises LogUnavailableError."""
        bearer(request)
        await self._tail.catch_up()
        return self._own(request)

    async def _catch_up(self) -> dict[str, str]:
        """Read your own writes; with the log away answers come from the view, and say so."""
        try:
            await self._tail.catch_up()
        except LogUnavailableError:
            return {"Slugline-Stale": "true"}
        return {}

    def _shown(self, subscription: Subscription) -> dict[str, Any]:
        cursor = self._views.cursors.get(subscription.id)
        return shown(subscription, cursor, self._entries, self._tail.partitions(ENTRIES))


def _etag(subscription: Subscription) -> dict[str, str]:
    return {"ETag": f'"{subscription.revision}"'}


def _if_match(request: web.Request) -> int | None:
    """The revision that the client has seen; None for `*`. Raises Problem 428, 412."""
    given = request.headers.get("If-Match")
    if given is None:
        detail = "Send If-Match with the ETag of the subscription as you read it."
        raise Problem(428, "If-Match is needed", detail)
    tag = given.strip()
    if tag == "*":
        return None
    number = _number(tag.strip('"'))
    if number is None:
        raise Problem(412, "Changed meanwhile", "If-Match is not the ETag of this subscription.")
    return number


def _limit(request: web.Request) -> int:
    limit = _number(request.query.get("limit", str(PAGE)))
    if limit is None or not 1 <= limit <= MOST:
        raise InvalidInputError(Mistake("limit", f"give a number from 1 to {MOST}"))
    return limit


def _after(request: web.Request) -> int | None:
    text = request.query.get("after")
    after = _number(text) if text is not None else None
    if text is not None and after is None:
        raise InvalidInputError(Mistake("after", "give the 'next' of the page before"))
    return after


def _number(text: str) -> int | None:
    """*text* as a number; None where it is none, or has so many digits that it is nonsense."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        headers={
            **(headers or {}),
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
        },
    )
