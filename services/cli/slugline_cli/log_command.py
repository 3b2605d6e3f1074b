"""`slugline log`: what can be done with a log as a whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import click

from slugline.clock import Clock, SystemClock
from slugline.errors import SettingsError
from slugline.log import Log
from slugline.log.copying import Copied, copy_log
from slugline.log.sqlite import open_log
from slugline.marks import AGAIN
from slugline.settings import Settings, log_url
from slugline_cli.engines import open_engine, open_kafka, require_log
from slugline_cli.options import Environ
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.progress import progress
from slugline_cli.tools import tool_settings
from slugline_syndicate.deliveries.moving import REWRITING


@click.group()
def log() -> None:
    """The log as a whole: move it to another engine, or to another number of partitions."""


@log.command()
@click.argument("source")
@click.argument("destination")
@click.option(
    "--partitions",
    type=click.IntRange(1, 1000),
    help="Move to this number of partitions; the source's number where it is not given.",
)
@click.option(
    "--to-prefix",
    metavar="PREFIX",
    help="What the destination's topics begin with; SLUGLINE_KAFKA_PREFIX where it is not given.",
)
@click.pass_obj
def copy(
    environ: Environ, source: str, destination: str, partitions: int | None, to_prefix: str | None
) -> int:
    """Copy a whole log from SOURCE to DESTINATION: sqlite:///FILE or kafka://HOST:PORT,…

    Stop every service on the source first; the destination must be empty. Feeds keep their ids and
    order, subscriptions go on where they were, and sequences go on increasing. With the same number
    of partitions nothing is sent twice. With another number nothing is lost, but subscriptions that
    are behind may get events once more. Start the services on the copy with the same secret key.
    TLS, credentials and prefix of Kafka are read from SLUGLINE_KAFKA_… variables.
    """
    settings = tool_settings(environ)
    reading = replace(settings, log_url=_url("SOURCE", source))
    prefix = to_prefix or settings.kafka_prefix
    writing = replace(settings, log_url=_url("DESTINATION", destination), kafka_prefix=prefix)
    if _place(reading) == _place(writing):
        raise SettingsError("source and destination are the same log: name another destination")
    require_log(reading)
    outcome = _Outcome()

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), _copy(reading, writing, partitions, outcome))

    run_until_stopped(main)
    if outcome.copied is None:
        left = f"{destination} holds no whole log now, {AGAIN}" if outcome.begun else "nothing done"
        click.echo(f"slugline: stopped: {left}", err=True)
        return 1
    click.echo(_told(destination, outcome.copied))
    return 0


@dataclass
class _Outcome:
    """How far a copy got."""

    begun: bool = False
    copied: Copied | None = None


async def _copy(
    reading: Settings, writing: Settings, partitions: int | None, outcome: _Outcome
) -> None:
    clock = SystemClock()
    async with _quiet_source(reading, clock) as source, open_engine(writing, clock) as destination:
        with progress("Copying the log", 0, clock) as shown:

            def tell(done: int, total: int) -> None:
                outcome.begun = True
                shown.of(done, total)

            copied = await copy_log(source, destination, clock, REWRITING, tell, partitions)
            outcome.copied = copied


@asynccontextmanager
async def _quiet_source(settings: Settings, clock: Clock) -> AsyncIterator[Log]:
    """The log to read; an embedded one with its writer's lock held, so that nobody writes to it."""
    async with (
        open_kafka(settings, clock)
        if settings.kafka_servers
        else open_log(settings.log_path, clock, read_only=True, alone=True)
    ) as opened:
        yield opened


def _url(name: str, text: str) -> str:
    try:
        return log_url(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _place(settings: Settings) -> str:
    servers = ",".join(sorted(settings.kafka_servers.split(",")))
    return f"{servers} {settings.kafka_prefix}" if servers else str(settings.log_path.resolve())


def _told(destination: str, copied: Copied) -> str:
    left_out = f", {copied.unreadable:,} unreadable ones left out" if copied.unreadable else ""
    return f"{destination}: {copied.records:,} records in {copied.partitions} partitions{left_out}"
