"""Syndicate's composition root."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from slugline.clock import Clock
from slugline.egress import EgressGuard, SystemResolver
from slugline.log import Log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.auth import Tokens
from slugline.web.endpoints import register
from slugline.web.health import add_health
from slugline.web.server import make_application
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.sealing import Sealer
from slugline_syndicate.deliveries.sender import open_sender
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.handlers import add_feeds
from slugline_syndicate.feeds.rss import Rss
from slugline_syndicate.feeds.store import FeedStore
from slugline_syndicate.pages.handlers import PageHandlers
from slugline_syndicate.subscriptions.routes import SubscriptionRoutes
from slugline_syndicate.subscriptions.service import SubscriptionService


@dataclass(frozen=True, slots=True)
class Syndicate:
    """What there is to run: the HTTP interface, and the deliveries' `run`."""

    app: web.Application
    deliveries: Deliveries


@asynccontextmanager
async def open_syndicate(
    settings: Settings,
    log: Log,
    view: View,
    entries: EntriesView,
    views: DeliveryViews,
    tail: Tail,
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[Syndicate]:
    """Syndicate over a view that *tail* keeps up with *log*; its connections close with the context."""
    sealer, public_url = Sealer(settings.secret_key), settings.base_url
    own_hosts = frozenset({urlsplit(public_url).hostname or ""})
    guard, resolver = EgressGuard(settings.egress_allow, own_hosts), SystemResolver()
    async with open_sender(guard, resolver, clock) as sender:
        deliveries = Deliveries(
            Means(
                name=secrets.token_hex(8),
                log=log,
                view=view,
                tail=tail,
                entries=entries,
                views=views,
                exchange=sender,
                clock=clock,
                rng=Random(),  # noqa: S311 - jitter
                render=lambda stored: render_stored(stored, public_url),
                unseal=sealer.open,
                metrics=metrics,
            )
        )
        service = SubscriptionService(
            log, tail, views.subscriptions, views.cursors, clock, guard, resolver, sealer
        )
        tokens = Tokens(settings.admin_token)
        routes = SubscriptionRoutes(service, views, entries, tail, tokens)
        app = make_application()
        register(app, "Slugline syndicate", routes.endpoints())
        _add_reading(app, entries, tail, public_url, metrics)
        add_health(app, tail, metrics.registry, lambda: _facts(deliveries))
        yield Syndicate(app, deliveries)


def _add_reading(
    app: web.Application, entries: EntriesView, tail: Tail, public_url: str, metrics: Metrics
) -> None:
    """Feeds and pages; neither is shown while a view is built: it may lack a withdrawal yet."""
    formats = (Atom(), Rss())
    store = FeedStore(entries, formats, public_url, metrics)
    add_feeds(app, store, formats, public_url, metrics, ready=lambda: tail.ready)
    PageHandlers(entries, public_url, ready=lambda: tail.ready).add_to(app)


def _facts(deliveries: Deliveries) -> dict[str, Any]:
    return {"deliveries": deliveries.facts()}
