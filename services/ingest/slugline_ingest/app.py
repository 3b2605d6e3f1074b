"""Ingest's composition root."""

from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import web

from slugline.clock import Clock
from slugline.egress import EgressGuard, SystemResolver
from slugline.log import Log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.auth import Tokens
from slugline.web.endpoints import register
from slugline.web.health import add_health
from slugline.web.server import make_application
from slugline_ingest.elsewhere import in_a_thread
from slugline_ingest.fetching.by_scheme import SchemeFetcher
from slugline_ingest.fetching.files import FileFetcher
from slugline_ingest.fetching.web import WebFetcher
from slugline_ingest.mender import Mender
from slugline_ingest.routes import Routes
from slugline_ingest.sources.poll import Poll
from slugline_ingest.sources.poller import Poller
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.routes import SourceRoutes
from slugline_ingest.sources.service import SourceService
from slugline_ingest.writer import BlogWriter


@dataclass(frozen=True, slots=True)
class Ingest:
    """What there is to run: the HTTP interface, and the `run` of poller and mender."""

    app: web.Application
    poller: Poller
    mender: Mender


def make_ingest(
    settings: Settings,
    log: Log,
    entries: EntriesView,
    sources: SourcesView,
    tail: Tail,
    clock: Clock,
    metrics: Metrics,
) -> Ingest:
    """Ingest over a view that *tail* keeps up with *log*."""
    writer = BlogWriter(log, entries, tail, clock, metrics)
    tokens = Tokens(settings.admin_token)
    fetcher = make_fetcher(settings, clock)
    authority = settings.tag_authority
    poll = Poll(fetcher, writer, entries, tail, clock, authority, in_a_thread)
    poller = Poller(log, sources, poll, clock, metrics)
    service = SourceService(log, tail, sources, fetcher, clock)
    routes = Routes(writer, entries, tokens, clock, authority)
    source_routes = SourceRoutes(service, sources, poller, tail, tokens)
    app = make_application()
    register(app, "Slugline ingest", [*routes.endpoints(), *source_routes.endpoints()])
    add_health(app, tail, metrics.registry, lambda: {"sources": poller.facts()})
    return Ingest(app, poller, Mender(entries, writer, clock))


def make_fetcher(settings: Settings, clock: Clock) -> SchemeFetcher:
    """What fetches sources, within what *settings* allow."""
    guard, resolver = EgressGuard(settings.egress_allow), SystemResolver()
    about = f" (+{settings.public_url})" if settings.public_url else ""
    web_fetcher = WebFetcher(guard, resolver, clock, f"Slugline/{version('slugline')}{about}")
    return SchemeFetcher(
        web_fetcher, FileFetcher(settings.source_dir, in_a_thread), guard, resolver
    )
