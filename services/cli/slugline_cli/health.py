"""`slugline health`: asks running services how they are."""

from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import click
import orjson
from rich.console import Console
from rich.table import Table

from slugline.settings import Settings
from slugline_cli.options import Environ, settings_of

#: How long a service may take to answer, in seconds.
WITHIN = 5.0

Rows = list[dict[str, Any]]


@click.command()
@click.option("--ingest-port", type=click.IntRange(1, 65535))
@click.option("--syndicate-port", type=click.IntRange(1, 65535))
@click.option("--service", type=click.Choice(["both", "ingest", "syndicate"]), default="both")
@click.pass_obj
def health(
    environ: Environ, ingest_port: int | None, syndicate_port: int | None, service: str
) -> int:
    """Ask the services on this machine how they are. Exit code 1 unless all are ready.

    A table on a terminal, JSON elsewhere.
    """
    ports = {"ingest_port": ingest_port, "syndicate_port": syndicate_port}
    settings = settings_of(environ, **ports)
    rows = [_ask(name, url) for name, url in _addresses(settings, service)]
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(_table(rows))
    else:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    return 0 if all(row.get("ready") for row in rows) else 1


def _addresses(settings: Settings, service: str) -> list[tuple[str, str]]:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    ports = {"ingest": settings.ingest_port, "syndicate": settings.syndicate_port}
    chosen = ports if service == "both" else {service: ports[service]}
    return [(name, f"http://{host}:{port}/healthz") for name, port in chosen.items()]


def _ask(name: str, url: str) -> dict[str, Any]:
    where = {"service": name, "url": url}
    try:
        said = orjson.loads(_answer(url))
    except (OSError, HTTPException, orjson.JSONDecodeError) as error:
        return {**where, "ready": False, "error": str(error) or "no answer in time"}
    return {**where, **said}


def _answer(url: str) -> bytes:
    """What is answered, whatever its status: a service that is not ready tells why with a 503."""
    try:
        with urlopen(url, timeout=WITHIN) as answer:  # noqa: S310 - our own address
            body: bytes = answer.read()
    except HTTPError as error:
        body = error.read()
    return body


def _table(rows: Rows) -> Table:
    table = Table("service", "ready", "log", "view", "sends", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for row in rows:
        if "error" in row:
            table.add_row(row["service"], "[red]no[/]", "–", "–", "–", row["error"])
            continue
        view, deliveries = row["view"], row.get("deliveries")
        unread = view["undecodable_records"]
        table.add_row(
            row["service"],
            "[green]yes[/]" if row["ready"] else "[red]no[/]",
            row["log"],
            "stale" if view["stale"] else "fresh",
            "–" if deliveries is None else ("yes" if deliveries["sending"] else "no"),
            f"{unread:,} unreadable records" if unread else "",
        )
    return table
