"""`slugline lag`: how far each subscription is behind the log."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from slugline.clock import SystemClock, rfc3339
from slugline.settings import Settings
from slugline.topics import ENTRIES
from slugline.view import View
from slugline.view.entries import EntriesView, EventRef
from slugline.view.tail import Tail
from slugline_cli.engines import log_to_read
from slugline_cli.options import Environ, data_option
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.progress import until_read
from slugline_cli.tools import tool_settings
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.subscription import Subscription
from slugline_syndicate.subscriptions.shown import summary

#: Subscriptions, or events, read in one step.
STEP = 500


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="JSON, also on a terminal.")
@click.pass_obj
def lag(environ: Environ, data: Path | None, as_json: bool) -> None:
    """Show how far each subscription is behind the log, also while a service runs.

    A table on a terminal, JSON elsewhere.
    """
    settings = tool_settings(environ, data_dir=data)
    found: list[dict[str, Any]] = []

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), _look(settings, found))

    run_until_stopped(main)
    console = Console(highlight=False)
    if as_json or not console.is_terminal:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        console.print(_table(found))


async def _look(settings: Settings, found: list[dict[str, Any]]) -> None:
    """Read the log into a view of our own: the service's belongs to it alone."""
    clock = SystemClock()
    entries, views = EntriesView(), DeliveryViews.make()
    # Beside the service's own, where there is room for a view: /tmp is small in containers.
    place = settings.data_dir if settings.data_dir.is_dir() else None
    with TemporaryDirectory(prefix="lag-", dir=place) as folder:
        async with log_to_read(settings, clock) as log:
            view = View(Path(folder) / "view.db", [entries, *views.all], clock)
            tail = Tail(log, view, clock)
            with closing(view):
                await first_of(tail.run(), until_read(log, view, tail, clock, "Reading the log"))
                found += _all(entries, views, tail.partitions(ENTRIES), clock.now())


def _all(
    entries: EntriesView, views: DeliveryViews, partitions: int, now: datetime
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = ""
    while page := views.subscriptions.page(after, STEP):
        rows += [_row(each, entries, views, partitions, now) for each in page]
        after = page[-1].id
    return rows


def _row(
    subscription: Subscription,
    entries: EntriesView,
    views: DeliveryViews,
    partitions: int,
    now: datetime,
) -> dict[str, Any]:
    cursor = views.cursors.get(subscription.id)
    positions = cursor.positions if cursor else subscription.start
    waiting = [
        ref.written_at
        for p in range(partitions)
        for ref in _from(entries, p, positions.get(p, 0))
        if subscription.wants(ref)
    ]
    oldest = min(waiting, default=None)
    told = summary(subscription, cursor)
    return {
        **{name: told[name] for name in ("id", "url", "blogs", "state")},
        "waiting_events": len(waiting),
        "oldest_waiting": rfc3339(oldest) if oldest else None,
        "oldest_waiting_seconds": round((now - oldest).total_seconds()) if oldest else 0,
        "reason": told.get("reason", ""),
    }


def _from(entries: EntriesView, partition: int, offset: int) -> Iterator[EventRef]:
    """Every event of *partition* from *offset* on."""
    while refs := entries.events_from(partition, offset, STEP):
        yield from refs
        offset = refs[-1].offset + 1


def _table(rows: list[dict[str, Any]]) -> Table | str:
    if not rows:
        return "No subscriptions."
    table = Table("subscription", "to", "state", box=None, pad_edge=False)
    table.add_column("waiting", justify="right")
    table.add_column("oldest", justify="right")
    table.add_column("reason", overflow="fold")
    for row in rows:
        age = f"{row['oldest_waiting_seconds']:,} s" if row["oldest_waiting"] else "–"
        table.add_row(
            row["id"], row["url"], row["state"], f"{row['waiting_events']:,}", age, row["reason"]
        )
    return table
