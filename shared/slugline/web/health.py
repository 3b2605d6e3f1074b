"""Whether a process lives, is ready, and is well: for supervisors, load balancers and people."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from slugline.view.tail import Tail

#: More facts for `/healthz`, by component.
Facts = Callable[[], dict[str, Any]]


def add_health(
    app: web.Application, tail: Tail, registry: CollectorRegistry, facts: Facts | None = None
) -> None:
    """Add `/livez`, `/readyz`, `/healthz` and `/metrics` to *app*."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        if tail.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: the view is being built from the log\n")

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(
            status=200 if tail.ready else 503,
            body=orjson.dumps(_health(tail, facts), option=orjson.OPT_INDENT_2),
            content_type="application/json",
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    for path, handler in (
        ("/livez", livez),
        ("/readyz", readyz),
        ("/healthz", healthz),
        ("/metrics", metrics),
    ):
        app.router.add_get(path, handler)


def _health(tail: Tail, facts: Facts | None) -> dict[str, Any]:
    return {
        "ready": tail.ready,
        "log": "reachable" if tail.reachable else "away",
        "view": {"stale": tail.stale, "undecodable_records": tail.undecodable},
        **(facts() if facts else {}),
    }
