"""`slugline run`, both services in one process; `slugline ingest` and `slugline syndicate`, one each."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import structlog

from slugline.clock import Clock, SystemClock
from slugline.settings import Settings
from slugline.telemetry import set_up_logging
from slugline.topics import provision
from slugline_cli.demo import Addresses, Demo, demo_settings
from slugline_cli.engines import open_engine
from slugline_cli.keys import KEY_FILE, TOKEN_FILE, require_secrets, with_secrets
from slugline_cli.options import Environ, data_option, settings_of
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.services import BOTH, INGEST, SYNDICATE, Role, services

logger = structlog.get_logger()


def _port(name: str) -> Callable[[Any], Any]:
    help_text = f"SLUGLINE_{name.upper().replace('-', '_')}; 0 picks a free one."
    return click.option(f"--{name}", type=click.IntRange(0, 65535), help=help_text)


@click.command()
@data_option
@_port("ingest-port")
@_port("syndicate-port")
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
            _start(BOTH, replace(settings, data_dir=Path(folder)), demo=True)
    else:
        _start(BOTH, settings, demo=demo)


@click.command()
@data_option
@_port("ingest-port")
@click.pass_obj
def ingest(environ: Environ, data: Path | None, ingest_port: int | None) -> None:
    """Run a replica of ingest: documents and entries in, events into the log."""
    _start_service(INGEST, settings_of(environ, data_dir=data, ingest_port=ingest_port))


@click.command()
@data_option
@_port("syndicate-port")
@click.pass_obj
def syndicate(environ: Environ, data: Path | None, syndicate_port: int | None) -> None:
    """Run a replica of syndicate: events out of the log, as feeds, pages and webhooks."""
    _start_service(SYNDICATE, settings_of(environ, data_dir=data, syndicate_port=syndicate_port))


def _start_service(role: Role, settings: Settings) -> None:
    set_up_logging(settings)
    require_secrets(settings)
    _start(role, settings, demo=False)


def _start(role: Role, settings: Settings, *, demo: bool) -> None:
    settings = _with_ports(demo_settings(settings) if demo else settings)
    run_until_stopped(lambda stop: _serve(role, settings, stop, demo=demo))


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


async def _serve(role: Role, settings: Settings, stop: asyncio.Event, *, demo: bool) -> None:
    clock = SystemClock()
    async with open_engine(settings, clock) as log:
        settings = with_secrets(settings) if role is BOTH else settings
        logger.info("service.starting", service=role.name, **settings.shown())
        if role is BOTH or not settings.kafka_servers:
            await provision(log, clock)
        async with services(role, settings, log, clock, stop):
            if stop.is_set():
                return
            _announce(role, settings, demo=demo)
            shown = [_demo(settings, clock)] if demo else []
            await first_of(stop.wait(), *shown)


async def _demo(settings: Settings, clock: Clock) -> None:
    addresses = Addresses(
        ingest=f"http://{settings.host}:{settings.ingest_port}",
        syndicate=f"http://{settings.host}:{settings.syndicate_port}",
        page=settings.base_url,
    )
    await Demo(addresses, settings.admin_token, clock).run()


def _announce(role: Role, settings: Settings, *, demo: bool) -> None:
    ingest_url = f"http://{settings.host}:{settings.ingest_port}"
    token = settings.data_dir / TOKEN_FILE
    lines = []
    if role.syndicate:
        lines += [("Pages and feeds", f"{settings.base_url}/")]
        lines += [("Subscriptions", f"{settings.base_url}/api")]
    if role.ingest:
        lines += [("Documents, entries", f"{ingest_url}/api")]
    if role is BOTH:
        lines += [("Admin's token", str(token) if token.exists() else "as set")]
        lines += [("Data folder", f"{settings.data_dir} (keep {KEY_FILE} with every backup)")]
    click.echo(f"Slugline runs {'the demo' if demo else _WHAT[role]}.")
    for name, value in lines:
        click.echo(f"  {name:<19} {value}")
    click.echo("Stop it with Ctrl-C.")


_WHAT = {BOTH: "both services", INGEST: "ingest", SYNDICATE: "syndicate"}
