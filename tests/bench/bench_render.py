"""What one changed entry costs, beside a full build of the same feed by feedgen.

`python -m tests.bench.bench_render [--json FILE] [--quick]`

The baseline builds a `FeedGenerator` of the same 200 entries, with the same titles, texts and
times, and asks it for the document: what a feed costs that is made anew at each change. Ours is
`FeedStore.document` after one entry changed: the window's queries, one fragment, the shell, the
joined bytes and their hash. Both take turns in one run, in blocks, each from a collected heap, so
that neither pays for the other's garbage; CPU time of the thread, because machines are shared; the
ratio is of the medians.
"""

import gc
import statistics
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from feedgen.feed import FeedGenerator

from slugline.entry import Entry
from slugline_syndicate.feeds.content import html_of
from tests.bench.report import Curve, Report, Row, command, cpu_seconds
from tests.builders import NOON, a_blog, an_entry
from tests.reading import Newsroom, feed_of

ENTRIES = 200
TARGET = 50.0
BLOCKS, CHANGES, BUILDS = 4, 20, 5
SIZES, QUICK_SIZES = (10, 100, ENTRIES, 1_000, 10_000, 100_000), (10, ENTRIES, 1_000)
FORMATS = ("atom", "rss")
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


def compared(folder: Path, name: str, size: int) -> tuple[float, float]:
    """CPU milliseconds of ours and of feedgen for a blog of *size* entries: medians."""
    newsroom = Newsroom(folder)
    entries = [entry(number) for number in range(size)]
    newsroom.says(a_blog(), *entries)
    store = newsroom.store()
    feed_of(store, name)
    shown = [*entries, *(entry(number) for number in range(size, ENTRIES))][-ENTRIES:]
    ours, theirs = [], []
    for block in range(BLOCKS):
        gc.collect()
        for turn in range(CHANGES):
            number = (block * CHANGES + turn) % size
            newsroom.says(entry(size - 1 - number, block + 2), at=NOON + timedelta(minutes=1))
            ours.append(cpu_seconds(lambda: feed_of(store, name)))
        gc.collect()
        theirs += [cpu_seconds(lambda: built_by_feedgen(shown, name)) for _ in range(BUILDS)]
    newsroom.close()
    return statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3


def measure(quick: bool) -> Report:
    sizes = QUICK_SIZES if quick else SIZES
    report = Report()
    for name in FORMATS:
        with TemporaryDirectory() as folder:
            found = {size: compared(Path(folder) / str(size), name, size) for size in sizes}
        for size in (ENTRIES, sizes[-1]):
            ours, theirs = found[size]
            report.rows.append(
                Row(
                    name=f"{name}: one entry of {size:,} changed, a full feedgen build of {ENTRIES} to it",
                    value=ours,
                    unit="CPU-ms",
                    baseline=theirs,
                    ratio=theirs / ours,
                    target=TARGET,
                )
            )
        times = [found[size][0] * 1000 for size in sizes]
        report.curves.append(
            Curve(
                name=f"{name}: one entry changed, rendered",
                x=sizes,
                y=times,
                x_label="entries in the blog",
                y_label="CPU time, µs",
            )
        )
    return report


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
