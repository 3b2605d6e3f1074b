"""`slugline run`: both services in one process, on the embedded log."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import structlog

from slugline.clock import Clock, SystemClock
from slugline.log.sqlite import open_log
from slugline.settings import Settings
from slugline.telemetry import Metrics, set_up_logging
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.server import serving
from slugline_cli.demo import Demo, demo_settings
from slugline_cli.keys import KEY_FILE, TOKEN_FILE, with_secrets
from slugline_cli.options import Environ, data_option, settings_of
from slugline_cli.process import first_of, run_until_stopped, working
from slugline_cli.progress import until_read
from slugline_ingest.app import make_ingest
from slugline_ingest.sources.projection import SourcesView
from slugline_syndicate.app import open_syndicate
from slugline_syndicate.deliveries.runtime import DeliveryViews

VIEW_FILE = "view-run.db"

logger = structlog.get_logger()


@click.command()
@data_option
@click.option("--ingest-port", type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--syndicate-port", type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--demo", is_flag=True, help="With sample blogs that go on, and a receiver.")
@click.pass_obj
def run(
    environ: Environ,
    data: Path | None,
    ingest_port: int | None,
    syndicate_port: int | None,
    demo: bool,
) -> None:
    """Run both services in one process, with the log in the data folder.

    With --demo the data folder is a temporary one, unless --data names another.
    """
    ports = {"ingest_port": ingest_port, "syndicate_port": syndicate_port}
    settings = settings_of(environ, data_dir=data, **ports)
    set_up_logging(settings)
    if demo and data is None:
        with TemporaryDirectory(prefix="slugline-demo-") as folder:
            _run(replace(settings, data_dir=Path(folder)), demo=True)
    else:
        _run(settings, demo=demo)


def _run(settings: Settings, *, demo: bool) -> None:
    settings = _with_ports(demo_settings(settings) if demo else settings)
    run_until_stopped(lambda stop: _serve(settings, stop, demo=demo))


def _with_ports(settings: Settings) -> Settings:
    """*settings* with free ports in place of 0: links are built from them before they are bound."""
    return replace(
        settings,
        ingest_port=settings.ingest_port or _free_port(settings.host),
        syndicate_port=settings.syndicate_port or _free_port(settings.host),
    )


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def _serve(settings: Settings, stop: asyncio.Event, *, demo: bool) -> None:
    clock = SystemClock()
    async with _both_services(settings, clock, stop) as ready:
        if stop.is_set():
            return
        _announce(ready, demo=demo)
        if demo:
            await first_of(stop.wait(), Demo(ready, clock).run())
        else:
            await stop.wait()


@asynccontextmanager
async def _both_services(
    settings: Settings, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[Settings]:
    """Both services at work while the context is open; yields their settings, secrets included."""
    metrics = Metrics()
    async with open_log(settings.log_path, clock) as log:
        settings = with_secrets(settings)
        logger.info("service.starting", **settings.shown())
        await provision(log, clock)
        entries, sources, views = EntriesView(), SourcesView(), DeliveryViews.make()
        view = View(settings.data_dir / VIEW_FILE, [entries, sources, *views.all], clock)
        tail = Tail(log, view, clock)
        ingest = make_ingest(settings, log, entries, sources, tail, clock, metrics)
        with closing(view):
            async with (
                open_syndicate(
                    settings, log, view, entries, views, tail, clock, metrics
                ) as syndicate,
                working(tail.run(), ingest.poller.run(), syndicate.deliveries.run()),
                serving(ingest.app, settings.host, settings.ingest_port),
                serving(syndicate.app, settings.host, settings.syndicate_port),
            ):
                await first_of(stop.wait(), until_read(log, view, tail, clock, "Building the view"))
                yield settings


def _announce(settings: Settings, *, demo: bool) -> None:
    ingest = f"http://{settings.host}:{settings.ingest_port}"
    where = settings.data_dir
    lines = [
        ("Pages and feeds", f"{settings.base_url}/"),
        ("Documents, entries", f"{ingest}/api"),
        ("Subscriptions", f"{settings.base_url}/api"),
        ("Admin's token", str(where / TOKEN_FILE) if (where / TOKEN_FILE).exists() else "as set"),
        ("Data folder", f"{where} (keep {KEY_FILE} with every backup)"),
    ]
    click.echo("Slugline runs the demo." if demo else "Slugline runs.")
    for name, value in lines:
        click.echo(f"  {name:<19} {value}")
    click.echo("Stop it with Ctrl-C.")
