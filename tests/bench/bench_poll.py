"""What a poll costs whose page holds nothing new, beside the bare parsing of that page.

`python -m tests.bench.bench_poll [--json FILE] [--quick]`. The page has 1 MB and 400 entries, each as
mark-up and in one JSON-LD script. A poll is everything after the bytes have arrived: their digest,
the entries in them, what is known of those in the view, what is new, and its publication to the
embedded log. The baseline parses the HTML with selectolax, finds the script and parses its JSON with
orjson. Both take turns; CPU time of the process, the log's thread included; the ratio is of the medians.
"""

import asyncio
import gc
import logging
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import orjson
import structlog
import uvloop
from selectolax.lexbor import LexborHTMLParser

from slugline.blog import BlogId
from slugline.clock import SystemClock
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.fetching import Fetch, Fetched, Validators
from slugline_ingest.sources import Source, SourceId
from slugline_ingest.sources.poll import Memory, Poll
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Result
from slugline_ingest.writer import BlogWriter
from tests.bench.report import Report, Row, command

ENTRIES, ROUNDS, QUICK_ROUNDS = 400, 15, 3
TARGET = 3.0
URL = "https://quay.example/live"
START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TEXT = (
    "The harbour master has closed the outer basin until the swell drops below two metres, and asks "
    "skippers to stay away from the north mole – “no day for a swim”; the lifeboat went out twice since dawn. "
) * 6
#: Mark-up around each entry as pages have it: 0.3 kB.
FRAME = f'<div class="{"c-live-block__wrapper " * 6}" data-component="block">{{}}</div>' + " " * 160

T = TypeVar("T")


def page(token: int = 0, viewers: int = 0, edited: int = 0) -> bytes:
    """The page. *token* stands around the script, *viewers* in it beside the entries, *edited* in one."""
    updates = [
        {
            "@type": "BlogPosting",
            "headline": f"Report {n}" + (f", corrected {edited}" if edited and n == 7 else ""),
            "articleBody": f"Report {n}. {TEXT}",
            "url": f"{URL}#e{n}",
            "datePublished": (START + timedelta(minutes=n)).isoformat(),
        }
        for n in range(ENTRIES)
    ]
    script = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "headline": "Storm",
        "url": URL,
        "interactionStatistic": viewers,
        "liveBlogUpdate": updates,
    }
    shown = "".join(
        FRAME.format(f"<h2 id='e{n}'>{u['headline']}</h2><p>{u['articleBody']}</p>")
        for n, u in enumerate(updates)
    )
    return (
        f"<!doctype html><html lang='en'><head><title>Storm</title><meta name='token' content='{token}'>"
        f'<link rel="canonical" href="{URL}"><script type="application/ld+json">'
        f"{orjson.dumps(script).decode()}</script></head><body>{shown}</body></html>"
    ).encode()


def bare(data: bytes) -> int:
    """The baseline: how many entries the script has."""
    tree = LexborHTMLParser(data)
    script = tree.css_first('script[type="application/ld+json"]')
    assert script is not None
    return len(orjson.loads(script.text())["liveBlogUpdate"])


@dataclass
class Given:
    """A Fetcher that gives the bytes it was given."""

    data: bytes = b""

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        validators = Validators(address=url)
        return Fetched(data=self.data, validators=validators, kind="text/html", location=url)


async def here(work: Callable[[], T]) -> T:
    """An Elsewhere that is here."""
    return work()


@dataclass
class Polling:
    """A source that is polled, and what is remembered of it."""

    poll: Poll
    given: Given
    memory: Memory

    async def of(self, data: bytes) -> tuple[float, Result]:
        """CPU-seconds of a poll that finds *data*, and what it gave."""
        source = Source(
            blog_id=BlogId("storm"), id=SourceId("page"), url=URL, interval=30.0, changed=START
        )
        self.given.data = data
        before = time.process_time()
        outcome = await self.poll.once(source, self.memory)
        spent = time.process_time() - before
        self.memory = outcome.memory
        return spent, outcome.result


@asynccontextmanager
async def polling(folder: Path) -> AsyncIterator[Polling]:
    """Ingest, as far as polls need it."""
    clock, entries = SystemClock(), EntriesView()
    async with open_log(folder / "log.db", clock) as log:
        await provision(log, clock)
        view = View(folder / "view.db", [entries, SourcesView()], clock)
        tail = Tail(log, view, clock)
        task = asyncio.create_task(tail.run())
        given = Given()
        writer = BlogWriter(log, entries, tail, clock, Metrics())
        yield Polling(
            Poll(given, writer, entries, tail, clock, "quay.example", here), given, Memory()
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        view.close()


#: What a poll finds, by the number of the round; what it must give; whether the target holds for it.
CASES: dict[str, tuple[Callable[[int], bytes], Result, bool]] = {
    "the same bytes": (lambda _: page(), Result.UNCHANGED, True),
    "a new token around the entries": (lambda n: page(token=n), Result.UNCHANGED, True),
    "a new count in the script": (lambda n: page(token=n, viewers=n), Result.UNCHANGED, False),
    "one entry edited": (lambda n: page(token=n, edited=n), Result.PUBLISHED, False),
}


async def compare(rounds: int) -> Report:
    report = Report()
    with TemporaryDirectory() as folder:
        async with polling(Path(folder)) as ours:
            for name, (make, expected, judged) in CASES.items():
                await ours.of(page())
                value, base = await compared(ours, make, expected, rounds)
                name = f"poll, page of {len(page()) / 1e6:.1f} MB, {ENTRIES} entries: {name}"
                report.rows.append(
                    Row(
                        name=f"{name}, to bare HTML and JSON parsing",
                        value=value * 1e3,
                        unit="CPU-ms",
                        baseline=base * 1e3,
                        ratio=value / base,
                        target=TARGET if judged else None,
                        lower=True,
                    )
                )
    return report


async def compared(
    ours: Polling, make: Callable[[int], bytes], expected: Result, rounds: int
) -> tuple[float, float]:
    """Medians of a poll and of the baseline, in CPU-seconds."""
    mine, theirs = [], []
    for number in range(1, rounds + 1):
        data = make(number)
        gc.collect()
        spent, result = await ours.of(data)
        assert result is expected, result
        mine.append(spent)
        gc.collect()
        before = time.process_time()
        assert bare(data) == ENTRIES
        theirs.append(time.process_time() - before)
    return statistics.median(mine), statistics.median(theirs)


def measure(quick: bool) -> Report:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return uvloop.run(compare(QUICK_ROUNDS if quick else ROUNDS))


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
