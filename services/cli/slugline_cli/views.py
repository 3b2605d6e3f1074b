"""`slugline view`: what can be done with a view by hand."""

import asyncio
from contextlib import closing
from pathlib import Path

import click

from slugline.clock import SystemClock
from slugline.log.sqlite import open_log
from slugline.settings import Settings
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_cli.options import Environ, data_option, tool_settings
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.progress import until_read
from slugline_cli.reading import require_log
from slugline_cli.run import VIEW_FILE
from slugline_ingest.sources.projection import SourcesView
from slugline_syndicate.deliveries.runtime import DeliveryViews


@click.group()
def view() -> None:
    """The view: a process's own materialisation of the log, which may be thrown away."""


@view.command()
@data_option
@click.pass_obj
def rebuild(environ: Environ, data: Path | None) -> None:
    """Drop the view in the data folder and build it anew from the log. Loses nothing."""
    settings = tool_settings(environ, data_dir=data)
    require_log(settings)
    run_until_stopped(lambda stop: _rebuild(settings, stop))


async def _rebuild(settings: Settings, stop: asyncio.Event) -> None:
    clock = SystemClock()
    # The log is opened for writing: so nobody else serves from the view meanwhile.
    async with open_log(settings.log_path, clock) as log:
        made = View(
            settings.data_dir / VIEW_FILE,
            [EntriesView(), SourcesView(), *DeliveryViews.make().all],
            clock,
        )
        with closing(made):
            made.reset()
            tail = Tail(log, made, clock)
            started = clock.monotonic()
            read = asyncio.ensure_future(until_read(log, made, tail, clock, "Building the view"))
            await first_of(stop.wait(), tail.run(), read)
            seconds = max(clock.monotonic() - started, 0.001)
        if read.done() and not read.cancelled():
            rate = f"{read.result() / seconds:,.0f} a second"
            click.echo(f"{made.path}: rebuilt from {read.result():,} records, {rate}")
        else:
            click.echo("Stopped; the view is completed at the next start.", err=True)
