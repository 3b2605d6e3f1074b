"""What one changed entry costs, beside a full build of the same feed by feedgen.

`python -m tests.bench.bench_render [--json FILE]`

The baseline builds a `FeedGenerator` of the same 200 entries, with the same titles, texts and
times, and asks it for the document: what a feed costs that is made anew at each change. Ours is
`FeedStore.document` after one entry changed: the window's queries, one fragment, the shell, the
joined bytes and their hash. Both take turns in one run, in blocks, each from a collected heap, so
that neither pays for the other's garbage; CPU time of the thread, because machines are shared; the
ratio is of the medians.
"""

import argparse
import gc
import json
import statistics
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time

from feedgen.feed import FeedGenerator
from rich.console import Console
from rich.table import Table

from slugline.entry import Entry
from slugline_syndicate.feeds.content import html_of
from tests.builders import NOON, a_blog, an_entry
from tests.reading import Newsroom, feed_of

ENTRIES = 200
TARGET = 50.0
BLOCKS, CHANGES, BUILDS = 4, 20, 5
PARAGRAPH = (
    "<p>The harbour master has closed the outer basin until the swell drops below two metres, "
    "and asks skippers to stay away from the north mole; the lifeboat went out twice since dawn.</p>"
)


def entry(number: int, revision: int = 1) -> Entry:
    """An entry of about 1.3 kB."""
    body = f"<p>Report {number}, revision {revision}.</p>" + PARAGRAPH * 6
    at = NOON + timedelta(seconds=number)
    return an_entry(
        f"e{number:06}",
        title=f"Report {number}, revision {revision}",
        body_html=body,
        body_text="Report",
        authors=("Ada Quill",),
        tags=("harbour",),
        published=at,
        updated=at,
        revision=revision,
    )


def built_by_feedgen(entries: list[Entry], name: str) -> bytes:
    """The baseline: the whole feed, the library's way."""
    feed = FeedGenerator()
    feed.id("tag:news.example,2026:storm")
    feed.title("Storm")
    feed.description("Storm")
    feed.updated(NOON)
    feed.link(href="https://live.example/blogs/storm/feed", rel="self")
    feed.link(href="https://live.example/blogs/storm", rel="alternate")
    for each in entries:
        item = feed.add_entry(order="append")
        item.id(f"tag:news.example,2026:storm/{each.id}")
        item.title(each.title)
        item.link(href=f"https://live.example/blogs/storm/entries/{each.id}")
        item.content(html_of(each, ""), type="html")
        item.published(each.published)
        item.updated(each.updated)
        item.author(name=each.authors[0])
        item.category(term=each.tags[0])
    document: bytes = feed.atom_str() if name == "atom" else feed.rss_str()
    return document


def seconds(work: Callable[[], object]) -> float:
    start = thread_time()
    work()
    return thread_time() - start


def measure(folder: Path, name: str, size: int) -> dict[str, float | str | int]:
    """Medians, in milliseconds, of both for a blog of *size* entries whose feed holds 200."""
    newsroom = Newsroom(folder)
    entries = [entry(number) for number in range(size)]
    newsroom.says(a_blog(), *entries)
    store = newsroom.store()
    feed_of(store, name)
    ours, theirs = [], []
    for block in range(BLOCKS):
        gc.collect()
        for turn in range(CHANGES):
            changed = entry(size - 1 - block * CHANGES - turn, revision=2)
            newsroom.says(changed, at=NOON + timedelta(minutes=1))
            ours.append(seconds(lambda: feed_of(store, name)))
        gc.collect()
        theirs += [
            seconds(lambda: built_by_feedgen(entries[-ENTRIES:], name)) for _ in range(BUILDS)
        ]
    newsroom.close()
    mine, base = statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3
    return {
        "format": name,
        "entries": size,
        "ours_ms": mine,
        "feedgen_ms": base,
        "ratio": base / mine,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    wanted = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = [
            measure(Path(folder) / f"{name}{size}", name, size)
            for name in ("atom", "rss")
            for size in (ENTRIES, 2_000, 20_000)
        ]
    table = Table(title=f"One entry of a feed of {ENTRIES} changed (target: 1/{TARGET:.0f})")
    for heading in ("format", "entries in the blog", "ours", "full feedgen build", "ratio"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["format"]),
            f"{row['entries']:,}",
            f"{row['ours_ms']:.3f} ms",
            f"{row['feedgen_ms']:.1f} ms",
            f"1/{row['ratio']:.0f}",
        )
    Console(file=sys.stdout).print(table)
    if wanted.json:
        wanted.json.write_text(json.dumps({"target": TARGET, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
