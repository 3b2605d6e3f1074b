"""`slugline parse`: what is read from a document, shown and not published."""

import asyncio
from datetime import datetime
from textwrap import shorten
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slugline.clock import SystemClock, parse_rfc3339
from slugline_cli.options import Environ
from slugline_cli.tools import tool_settings
from slugline_ingest.app import make_fetcher
from slugline_ingest.documents import extractor_for, text_of_document
from slugline_ingest.extractors import Document
from slugline_ingest.fetching import Failed, Fetched, Validators
from slugline_ingest.fetching.charset import text_of_page
from slugline_ingest.parsed import parsed
from slugline_ingest.sanitise import clean_text


@click.command()
@click.argument("file", metavar="FILE|URL")
@click.option("--type", "kind", help="The media type, such as text/plain; else seen from the file.")
@click.option("--charset", help="How it is encoded, where neither it nor its server says so.")
@click.option("--timezone", default="UTC", show_default=True, help="The zone of bare times.")
@click.option("--json", "as_json", is_flag=True, help="JSON, also on a terminal.")
@click.pass_obj
def parse(
    environ: Environ,
    file: str,
    kind: str | None,
    charset: str | None,
    timezone: str,
    as_json: bool,
) -> None:
    """Show what is read from FILE ('-': standard input) or URL. Publishes nothing.

    A table on a terminal, JSON elsewhere. A URL is fetched as a source would be: inside of private
    networks only where SLUGLINE_EGRESS_ALLOW names them.
    """
    zone = _zone(timezone)
    found = _fetched(environ, file) if file.startswith(("http://", "https://")) else _read(file)
    extractor = extractor_for(kind or found.kind, found.data)
    document = Document(
        text=_text_of(found, charset),
        received=SystemClock().now(),
        timezone=zone,
        location=found.location,
    )
    shown = parsed(extractor.extract(document))
    console = Console(highlight=False)
    if as_json or not console.is_terminal:
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    else:
        _show(shown, ZoneInfo(timezone), console)


def _read(file: str) -> Fetched:
    with click.File("rb").convert(file, None, click.get_current_context()) as opened:
        return Fetched(data=opened.read(), validators=Validators(address=file))


def _fetched(environ: Environ, url: str) -> Fetched:
    fetcher = make_fetcher(tool_settings(environ), SystemClock())
    found = asyncio.run(fetcher.fetch(url))
    if isinstance(found, Fetched):
        return found
    reason = found.reason if isinstance(found, Failed) else "it sent no document"
    raise click.ClickException(f"{url}: {reason}")


def _text_of(found: Fetched, charset: str | None) -> str:
    """Of a page on the web what can be read of it; of a file everything, or none of it."""
    if found.location is None:
        return text_of_document(found.data, charset)
    return clean_text(text_of_page(found.data, charset or found.charset)).removeprefix("\ufeff")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"{name!r} is no IANA time zone such as Europe/London", param_hint="--timezone"
        ) from error
    return name


def _show(shown: dict[str, Any], zone: ZoneInfo, console: Console) -> None:
    blog = shown["blog"]
    console.print(blog["title"] or "(no title)", style="bold", markup=False)
    if blog["description"]:
        console.print(blog["description"], markup=False)
    paragraphs = len(_paragraphs(blog["lead"]))
    console.print(
        f"lead of {paragraphs} paragraphs, {len(shown['entries'])} entries\n", style="dim"
    )
    table = Table("#", "time", "heading", "paragraphs", "with", "sure", box=None, pad_edge=False)
    for number, entry in enumerate(shown["entries"], start=1):
        table.add_row(
            str(number),
            _time(entry, zone),
            escape(_heading(entry)),
            str(len(_paragraphs(entry["body_text"]))),
            _company(entry),
            entry["confidence"],
        )
    console.print(table)


def _heading(entry: dict[str, Any]) -> str:
    """The heading; without one the text's beginning, or a caption."""
    captions = [medium["caption"] for medium in entry["media"]]
    words = " ".join([entry["body_text"], *captions]).split()
    return entry["title"] or shorten(" ".join(words), 80, placeholder="…")


def _paragraphs(text: str) -> list[str]:
    return [part for part in text.split("\n\n") if part]


def _time(entry: dict[str, Any], zone: ZoneInfo) -> str:
    if not entry["published"]:
        return "–"
    instant: datetime = parse_rfc3339(entry["published"]).astimezone(zone)
    return f"{instant:%d %b %H:%M}"


def _company(entry: dict[str, Any]) -> str:
    """What an entry has besides its text: authors, cards, media."""
    parts = [escape(", ".join(entry["authors"])) if entry["authors"] else ""]
    for name, one, more in (("related", "card", "cards"), ("media", "medium", "media")):
        count = len(entry[name])
        parts.append(f"{count} {one if count == 1 else more}" if count else "")
    return "; ".join(part for part in parts if part)
