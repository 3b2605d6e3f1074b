"""A receiver of webhooks that verifies and tells what came: for `slugline listen` and the demo."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from slugline.clock import Clock
from slugline.errors import SettingsError
from slugline_syndicate.deliveries.signing import PREFIX, signature

#: How far a timestamp may be from our clock, in seconds (Standard Webhooks advises some minutes).
TOLERANCE = 300
#: Ids remembered, to tell what came twice.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One webhook. *fault* says why it must not be trusted; *again*: its id came before; *missed*:
    an event of its blog came between it and the one before."""

    id: str
    type: str
    blog: str
    sequence: int | None
    title: str
    fault: str
    again: bool
    missed: bool


def check_secret(secret: str) -> str:
    """*secret* as it was given. Raises SettingsError for what no secret can be."""
    try:
        base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError(f"the secret is no {PREFIX}… as a new subscription shows it") from error
    return secret


def fault_of(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Why *body* must not be trusted (Standard Webhooks 1.0.0), or nothing. *now* is Unix time in s."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not (stamp.isascii() and stamp.isdigit()):
        return "it lacks webhook-id or webhook-timestamp"
    if abs(now - int(stamp)) > TOLERANCE:
        return "its webhook-timestamp is too far from now"
    right = signature(secret, name, int(stamp), body)
    given = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
        return "its signature is wrong"
    return ""


class Receiver:
    """Answers POSTs: 204 where the signature is right or not asked for, else 401."""

    def __init__(self, secret: str | None, clock: Clock, tell: Callable[[Received], None]) -> None:
        self.secret = secret
        self._clock = clock
        self._tell = tell
        self._seen: dict[str, None] = {}
        self._last: dict[str, str] = {}

    def app(self) -> web.Application:
        """The application to serve; it takes POSTs on every path."""
        app = web.Application(client_max_size=1_000_000)
        app.router.add_post("/{path:.*}", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        now = self._clock.now().timestamp()
        fault = fault_of(self.secret, request.headers, body, now) if self.secret else ""
        name = request.headers.get("webhook-id", "")
        self._tell(self._received(name, body, fault))
        return web.Response(status=401, text=f"{fault}\n") if fault else web.Response(status=204)

    def _received(self, name: str, body: bytes, fault: str) -> Received:
        data = _data(body)
        blog = str(_part(data, "blog").get("id", ""))
        again, before = name in self._seen, self._last.get(blog)
        if not fault and not again:
            self._remember(name, blog)
        subject = _part(data, "entry") or _part(data, "blog")
        return Received(
            id=name,
            type=str(data.get("type", "?")),
            blog=blog,
            sequence=data["data"].get("sequence") if data else None,
            title=str(subject.get("title") or subject.get("body_text") or subject.get("id") or ""),
            fault=fault,
            again=again,
            missed=bool(blog and not again and before and data["data"].get("previous") != before),
        )

    def _remember(self, name: str, blog: str) -> None:
        self._seen[name] = None
        if blog:
            self._last[blog] = name
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def _data(body: bytes) -> dict[str, Any]:
    """The body as an event; empty where it is none of ours."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("data"), dict) else {}


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    part = event.get("data", {}).get(name)
    return part if isinstance(part, dict) else {}
