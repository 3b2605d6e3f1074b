"""Feeds that did not change, beside a bare aiohttp handler that returns the same bytes.

`python -m tests.bench.bench_feeds [--json FILE] [--quick]`

One process serves both; a second one asks, over kept connections, one request at a time on each.
Counted is the serving process's CPU time, so that the asking one and the rest of the machine do not
count. Both take turns in one run, in blocks; the ratio is of the medians. The baseline is an
application with the one route `/blogs/{blog}/feed.atom`, whose handler looks for `If-None-Match` and
returns the same bytes under the same headers, ready-made.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import uvloop
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from slugline.web.server import make_application, serving
from slugline_syndicate.feeds.handlers import add_feeds
from slugline_syndicate.feeds.store import Document
from tests.bench.bench_render import entry
from tests.bench.report import Curve, Report, Row, command
from tests.builders import NOON, a_blog
from tests.reading import FORMATS, PUBLIC, Newsroom

TARGET = 0.8
SIZES, QUICK_SIZES = (10, 100, 1_000, 10_000, 100_000), (10, 1_000)
BLOCKS, QUICK_BLOCKS, REQUESTS, CONNECTIONS = 9, 3, 2_000, 8
PATH = "/blogs/storm/feed.atom"

#: By kind of answer and entries in the blog: requests per CPU-second of ours and of the baseline.
Rates = dict[tuple[str, int], tuple[float, float]]


async def ask(port: int, count: int, headers: Sequence[str]) -> None:
    """The second process's part: *count* requests over one kept connection, each answer read whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = "\r\n".join((f"GET {PATH} HTTP/1.1", "Host: x", *headers, "", "")).encode()
    for _ in range(count):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            length = head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
    writer.close()


async def ask_on_all(port: int, headers: Sequence[str]) -> None:
    share = REQUESTS // CONNECTIONS
    await asyncio.gather(*(ask(port, share, headers) for _ in range(CONNECTIONS)))


class Asking:
    """The second process: asks a block of requests at each line that it gets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def block(self, port: int, headers: Sequence[str]) -> float:
        """Requests per CPU-second of this process, while the other one asks."""
        assert self._process.stdin
        assert self._process.stdout
        start = process_time()
        self._process.stdin.write(json.dumps([port, *headers]).encode() + b"\n")
        if not await self._process.stdout.readline():
            raise SystemExit("the asking process failed")
        return REQUESTS / (process_time() - start)


@asynccontextmanager
async def asking() -> AsyncIterator[Asking]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bench_feeds", "--ask"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Asking(process)
    assert process.stdin
    process.stdin.close()
    await process.wait()


def bare(document: Document) -> web.Application:
    """The baseline."""
    ready = document.representation.answer(
        make_mocked_request("GET", PATH, {"Accept-Encoding": "gzip"})
    )
    body, headers = ready.body, dict(ready.headers)
    unchanged = {name: text for name, text in headers.items() if not name.startswith("Content-")}

    async def serve(request: web.Request) -> web.Response:
        if "If-None-Match" in request.headers:
            return web.Response(status=304, headers=unchanged)
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/blogs/{blog}/feed.atom", serve)
    return app


async def rates_of(folder: Path, size: int, other: Asking, blocks: int) -> Rates:
    """Both kinds of answer for a blog of *size* entries."""
    newsroom = Newsroom(folder)
    newsroom.says(a_blog(), *(entry(number) for number in range(size)))
    newsroom.says(a_blog(title="Storm, later"), at=NOON + timedelta(hours=9))
    store = newsroom.store()
    app = make_application()
    add_feeds(app, store, FORMATS, PUBLIC, newsroom.feed_renders)
    document = store.document("storm", "atom")
    assert document
    tag = document.representation.tag.replace("-identity", "-gzip")
    kinds = {"200": ["Accept-Encoding: gzip"]}
    kinds["304"] = [*kinds["200"], f"If-None-Match: {tag}"]
    async with (
        serving(app, "127.0.0.1", 0) as ours,
        serving(bare(document), "127.0.0.1", 0) as base,
    ):
        found = {
            (kind, size): await compare(other, ours, base, headers, blocks)
            for kind, headers in kinds.items()
        }
    newsroom.close()
    return found


async def compare(
    other: Asking, ours: int, base: int, headers: Sequence[str], blocks: int
) -> tuple[float, float]:
    mine, theirs = [], []
    for _ in range(blocks):
        mine.append(await other.block(ours, headers))
        theirs.append(await other.block(base, headers))
    return statistics.median(mine), statistics.median(theirs)


async def run(sizes: Sequence[int], blocks: int) -> Rates:
    found: Rates = {}
    with TemporaryDirectory() as folder:
        async with asking() as other:
            for size in sizes:
                found |= await rates_of(Path(folder) / str(size), size, other, blocks)
    return found


def measure(quick: bool) -> Report:
    sizes = QUICK_SIZES if quick else SIZES
    found = uvloop.run(run(sizes, QUICK_BLOCKS if quick else BLOCKS))
    report = Report()
    for kind, about in (("200", "200, gzip"), ("304", "304")):
        for size in dict.fromkeys((1_000, sizes[-1])):
            ours, base = found[kind, size]
            report.rows.append(
                Row(
                    name=f"feed GET, {about}, {size:,} entries, to a bare aiohttp handler",
                    value=ours,
                    unit="requests/CPU-s",
                    baseline=base,
                    ratio=ours / base,
                    target=TARGET,
                )
            )
        times = [1e6 / found[kind, size][0] for size in sizes]
        report.curves.append(
            Curve(
                name=f"feed GET, {about}",
                x=sizes,
                y=times,
                x_label="entries in the blog",
                y_label="CPU time, µs",
            )
        )
    return report


def answer_orders() -> None:
    """The second process: one block of requests for each line that comes in."""
    for line in sys.stdin:
        port, *headers = json.loads(line)
        uvloop.run(ask_on_all(port, headers))
        sys.stdout.write("done\n")
        sys.stdout.flush()


main = command(__doc__, measure)

if __name__ == "__main__":
    if sys.argv[1:] == ["--ask"]:
        answer_orders()
    else:
        main()
