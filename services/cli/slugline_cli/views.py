"""`slugline view`: what can be done with a view by hand."""

import asyncio
from contextlib import closing
from pathlib import Path

import click

from slugline.clock import SystemClock
from slugline.settings import Settings
from slugline.view import View
from slugline.view.tail import Tail
from slugline_cli.engines import log_to_read, require_log
from slugline_cli.options import Environ, data_option
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.progress import until_read
from slugline_cli.services import BOTH, INGEST, SYNDICATE, Projections, Role, alone, view_path
from slugline_cli.tools import tool_settings

ROLES = {role.name: role for role in (BOTH, INGEST, SYNDICATE)}


@click.group()
def view() -> None:
    """The view: a process's own materialisation of the log, which may be thrown away."""


@view.command()
@data_option
@click.option(
    "--of",
    "role",
    type=click.Choice(sorted(ROLES)),
    default="run",
    show_default=True,
    help="Whose view it is.",
)
@click.pass_obj
def rebuild(environ: Environ, data: Path | None, role: str) -> None:
    """Drop a view in the data folder and build it anew from the log. Loses nothing."""
    settings = tool_settings(environ, data_dir=data)
    require_log(settings)
    run_until_stopped(lambda stop: _rebuild(ROLES[role], settings, stop))


async def _rebuild(role: Role, settings: Settings, stop: asyncio.Event) -> None:
    clock = SystemClock()
    path = view_path(settings, role)
    with alone(path):  # a process that serves from it keeps us out
        async with log_to_read(settings, clock) as log:
            made = View(path, Projections.make().of(role), clock)
            with closing(made):
                made.reset()
                tail = Tail(log, made, clock)
                started = clock.monotonic()
                read = asyncio.ensure_future(
                    until_read(log, made, tail, clock, "Building the view")
                )
                await first_of(stop.wait(), tail.run(), read)
                seconds = max(clock.monotonic() - started, 0.001)
    if read.done() and not read.cancelled():
        rate = f"{read.result() / seconds:,.0f} a second"
        click.echo(f"{path}: rebuilt from {read.result():,} records, {rate}")
    else:
        click.echo("Stopped; the view is completed at the next start.", err=True)
