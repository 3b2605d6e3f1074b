"""`slugline topics`: what the log must have before services start on it."""

import asyncio
from pathlib import Path

import click

from slugline.clock import Clock, SystemClock
from slugline.errors import LogMismatchError, SettingsError
from slugline.log import DEFAULT_PARTITIONS
from slugline.log.kafka import KafkaLog
from slugline.log.kafka_topics import as_diff
from slugline.settings import Settings
from slugline.telemetry import set_up_logging
from slugline.topics import SPECS, provision
from slugline_cli.engines import open_engine, open_kafka
from slugline_cli.keys import KEY_FILE, TOKEN_FILE, make_secrets
from slugline_cli.options import Environ, settings_of
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.tools import tool_settings


@click.group()
def topics() -> None:
    """The topics of the log: make them, compare them with what is needed."""


@topics.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, 1000),
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="For a log that has no topics yet; fixed from then on.",
)
@click.option(
    "--change", is_flag=True, help="Give topics that exist the settings that 'diff' shows."
)
@click.option(
    "--secrets",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also make the admin's token and the secret key in this folder, where absent.",
)
@click.pass_obj
def ensure(environ: Environ, partitions: int, change: bool, secrets: Path | None) -> None:
    """Make the topics that are missing. Changes none that exists, unless told to."""
    settings = settings_of(environ)
    set_up_logging(settings)

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), _ensure(settings, SystemClock(), partitions, change))

    run_until_stopped(main)
    if secrets:
        make_secrets(secrets)
        click.echo(f"{secrets}: {TOKEN_FILE} and {KEY_FILE} are there")


async def _ensure(settings: Settings, clock: Clock, partitions: int, change: bool) -> None:
    async with open_engine(settings, clock) as log:
        if change and isinstance(log, KafkaLog):
            await _change(log, settings)
        await provision(log, clock, partitions)
        ends = await log.ends([spec.name for spec in SPECS])
        number = max(tp.partition for tp in ends) + 1
        click.echo(f"{len(SPECS)} topics of {number} partitions are there and as they should be")


async def _change(log: KafkaLog, settings: Settings) -> None:
    found = await log.differences(SPECS)
    if any(difference.of_partitions and not difference.missing for difference in found):
        raise LogMismatchError(
            "topics differ in their partitions, which cannot be changed in place:"
            " 'slugline log copy' moves a log to new topics"
        )
    click.echo(as_diff(found, settings.kafka_servers), nl=False)
    await log.change_settings(SPECS)


@topics.command()
@click.pass_obj
def diff(environ: Environ) -> int:
    """Show how the topics on Kafka differ from what is needed. Exit code 1 where they do."""
    settings = tool_settings(environ)
    if not settings.kafka_servers:
        raise SettingsError("SLUGLINE_LOG_URL names no Kafka: an embedded log has what it needs")
    found: list[str] = []

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), _diff(settings, found))

    run_until_stopped(main)
    click.echo("".join(found), nl=False)
    return 1 if "".join(found) else 0


async def _diff(settings: Settings, found: list[str]) -> None:
    async with open_kafka(settings, SystemClock()) as log:
        found.append(as_diff(await log.differences(SPECS), settings.kafka_servers))
