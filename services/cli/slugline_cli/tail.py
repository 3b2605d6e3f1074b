"""`slugline tail`: shows events as they come into the log."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.text import Text

from slugline.clock import SystemClock, rfc3339
from slugline.entry import Entry
from slugline.errors import UndecodableRecordError
from slugline.events import Event, decode
from slugline.log import StoredRecord, TopicPartition
from slugline.log.written import written_at
from slugline.settings import Settings
from slugline.topics import ENTRIES, is_base
from slugline_cli.engines import log_to_read
from slugline_cli.options import Environ, data_option
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.tools import tool_settings

Show = Callable[[dict[str, Any]], None]


@click.command()
@data_option
@click.option("--blog", help="Only this blog's events.")
@click.option("--earliest", is_flag=True, help="From the log's beginning, not from now on.")
@click.option("--no-follow", is_flag=True, help="End where the log ends now.")
@click.pass_obj
def tail(
    environ: Environ, data: Path | None, blog: str | None, earliest: bool, no_follow: bool
) -> None:
    """Show entry events as they come into the log, also while a service runs.

    Lines for people on a terminal, a JSON object a line elsewhere.
    """
    settings = tool_settings(environ, data_dir=data)
    show = _shower(Console(highlight=False))

    def wanted(event: dict[str, Any]) -> None:
        if blog in (None, event["blog"]):
            show(event)

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), _follow(settings, wanted, earliest, no_follow))

    run_until_stopped(main)


async def _follow(settings: Settings, show: Show, earliest: bool, no_follow: bool) -> None:
    async with log_to_read(settings, SystemClock()) as log:
        ends = await log.ends([ENTRIES])
        positions = dict(await log.begins([ENTRIES]) if earliest else ends)
        if no_follow and _reached(positions, ends):
            return
        async with aclosing(log.read([ENTRIES], positions)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                for record in batch.records:
                    if not is_base(record.key):
                        show(_told(record))
                positions |= batch.positions
                if no_follow and _reached(positions, ends):
                    return


def _reached(positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> bool:
    return all(positions.get(tp, 0) >= end for tp, end in ends.items())


def _told(record: StoredRecord) -> dict[str, Any]:
    """A record as it is shown: what it says, or why that cannot be read."""
    blog, _, entry = record.key.decode(errors="replace").partition("|")
    place = {"blog": blog, "entry": entry, "place": f"{record.partition}:{record.offset}"}
    written = {"written_at": rfc3339(written_at(record))}
    if record.value is None:
        return {**place, **written, "type": "purged"}
    try:
        return {**place, **written, **_said(decode(record.headers, record.value))}
    except UndecodableRecordError as error:
        return {**place, **written, "type": "unreadable", "reason": str(error)}


def _said(event: Event) -> dict[str, Any]:
    subject = event.subject
    title = subject.title or (subject.body_text if isinstance(subject, Entry) else "")
    return {
        "type": event.type.value,
        "time": rfc3339(event.time),
        "id": event.id,
        "title": title,
        "changed": [change.value for change in event.changed],
    }


def _shower(console: Console) -> Show:
    def show(event: dict[str, Any]) -> None:
        if console.is_terminal:
            console.print(_line(event), soft_wrap=True)
        else:
            click.echo(orjson.dumps(event))

    return show


def _line(event: dict[str, Any]) -> Text:
    text = Text(f"{event['written_at'][11:19]} ", style="dim")
    text.append(f"{event['place']:>8} ", style="dim")
    text.append(f"{event['type']:<14} ", style="bold")
    text.append(f"{event['blog']} ", style="cyan")
    said = event.get("title") or event.get("reason") or event["entry"]
    text.append(" ".join(said.split())[:100])
    changed = ", ".join(event.get("changed", ()))
    return text.append(f" ({changed})", style="yellow") if changed else text
