"""Ingest's composition root."""

from aiohttp import web

from slugline.clock import Clock
from slugline.log import Log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.auth import Tokens
from slugline.web.endpoints import register
from slugline.web.health import add_health
from slugline.web.server import make_application
from slugline_ingest.routes import Routes
from slugline_ingest.writer import BlogWriter


def make_app(
    settings: Settings, log: Log, entries: EntriesView, tail: Tail, clock: Clock, metrics: Metrics
) -> web.Application:
    """Ingest's HTTP interface over a view that *tail* keeps up with *log*."""
    writer = BlogWriter(log, entries, tail, clock, metrics)
    tokens = Tokens(settings.admin_token)
    routes = Routes(writer, entries, tokens, clock, settings.tag_authority)
    app = make_application()
    register(app, "Slugline ingest", routes.endpoints())
    add_health(app, tail, metrics.registry)
    return app
