"""The sample blogs in `seeds/`: each gives what its expected.json says, page by page."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestClient, TestServer

from slugline.clock import SystemClock, parse_rfc3339
from slugline.log.sqlite import open_log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.app import make_ingest
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.parsed import parsed
from slugline_ingest.pushed import PushedEntry, read_entries
from slugline_ingest.sources.projection import SourcesView

SEEDS = Path(__file__).parents[2] / "seeds"
#: Blogs that come as pages, and those that are pushed.
PAGED = ("storm", "vote", "final")
PUSHED = ("court",)
#: When the pages are read: two days after the day that they name.
READ_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

Json = dict[str, Any]
Client = TestClient[Any, Any]


class StandingClock(SystemClock):
    """A clock whose time of day stands still."""

    def now(self) -> datetime:
        return READ_AT


@asynccontextmanager
async def ingest_over(folder: Path) -> AsyncIterator[Client]:
    """Ingest's real interface on an embedded log in *folder*, with the admin's token."""
    clock, metrics = StandingClock(), Metrics()
    entries, sources = EntriesView(), SourcesView()
    settings = replace(Settings(), data_dir=folder, admin_token="t" * 40)
    async with open_log(folder / "log.db", clock) as log:
        await provision(log, clock)
        view = View(folder / "view.db", [entries, sources], clock)
        tail = Tail(log, view, clock)
        ingest = make_ingest(settings, log, entries, sources, tail, clock, metrics)
        headers = {"Authorization": f"Bearer {settings.admin_token}"}
        tailing = asyncio.create_task(tail.run())
        async with TestClient(TestServer(ingest.app), headers=headers) as client:
            yield client
        tailing.cancel()
        view.close()


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Client]:
    async with ingest_over(tmp_path) as client:
        yield client


def pages_of(blog: str) -> list[str]:
    paths = sorted((SEEDS / blog).glob("page-*.txt"), key=lambda path: int(path.stem[5:]))
    return [path.read_text("utf-8") for path in paths]


def loaded(blog: str, name: str) -> Json:
    content: Json = json.loads((SEEDS / blog / name).read_text("utf-8"))
    return content


def steps_of(blog: str) -> Iterator[Json]:
    for line in (SEEDS / blog / "entries.jsonl").read_text("utf-8").splitlines():
        step: Json = json.loads(line)
        yield step


def parse(blog: str, page: str) -> Json:
    zone = loaded(blog, "blog.json")["timezone"]
    return parsed(FlatTextExtractor().extract(Document(text=page, received=READ_AT, timezone=zone)))


def paragraphs(text: str) -> int:
    return len([part for part in text.split("\n\n") if part])


def as_expected(entry: Json, zone: ZoneInfo) -> Json:
    """*entry* of a parse in the words of an expected.json."""
    said: Json = {
        "title": entry["title"],
        "paragraphs": paragraphs(entry["body_text"]),
        "related": [[card["title"], card["summary"]] for card in entry["related"]],
    }
    if entry["published"]:
        said["time"] = f"{parse_rfc3339(entry['published']).astimezone(zone):%Y-%m-%d %H:%M}"
    if entry["authors"]:
        said["authors"] = entry["authors"]
    if entry["media"]:
        said["caption"] = " ".join(medium["caption"] for medium in entry["media"])
    return said


async def put_blog(ingest: Client, blog: str) -> None:
    answer = await ingest.put(f"/v1/blogs/{blog}", json=loaded(blog, "blog.json"))
    assert answer.status == 200, await answer.text()


async def post_page(ingest: Client, blog: str, page: str) -> Json:
    answer = await ingest.post(
        f"/v1/blogs/{blog}/documents",
        data=page.encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    assert answer.status == 200, await answer.text()
    written: Json = await answer.json()
    return written


async def take(ingest: Client, blog: str, step: Json) -> Json:
    """One line of an entries.jsonl, as the interface takes it."""
    if "put" in step:
        answer = await ingest.post(f"/v1/blogs/{blog}/entries", json=step["put"])
    else:
        answer = await ingest.delete(f"/v1/blogs/{blog}/entries/{step['withdraw']}")
    assert answer.status == 200, await answer.text()
    written: Json = await answer.json()
    return written


def test_every_folder_is_of_a_known_kind() -> None:
    folders = {path.name for path in SEEDS.iterdir() if path.is_dir()}

    assert folders == {*PAGED, *PUSHED}


@pytest.mark.parametrize("blog", PAGED)
def test_the_first_page_gives_its_expected_answer(blog: str) -> None:
    expected = loaded(blog, "expected.json")
    zone = ZoneInfo(loaded(blog, "blog.json")["timezone"])

    found = parse(blog, pages_of(blog)[0])

    assert found["blog"]["title"] == expected["title"]
    assert found["blog"]["description"] == expected["description"]
    assert paragraphs(found["blog"]["lead"]) == expected["lead_paragraphs"]
    assert [as_expected(entry, zone) for entry in found["entries"]] == expected["entries"]


@pytest.mark.parametrize("blog", PAGED)
def test_no_page_lets_its_furniture_through(blog: str) -> None:
    for page in pages_of(blog):
        found = json.dumps(parse(blog, page), ensure_ascii=False)

        assert [
            text for text in loaded(blog, "expected.json")["never_anywhere"] if text in found
        ] == []


@pytest.mark.parametrize("blog", PAGED)
async def test_each_page_gives_just_the_events_that_are_named(ingest: Client, blog: str) -> None:
    await put_blog(ingest, blog)
    pages = pages_of(blog)

    written = [await post_page(ingest, blog, page) for page in pages]

    counts = [{"created": len(w["created"]), "updated": len(w["updated"])} for w in written]
    assert counts == loaded(blog, "expected.json")["steps"]
    assert [w["deleted"] for w in written] == [[]] * len(pages)


@pytest.mark.parametrize("blog", PAGED)
async def test_a_page_that_comes_again_gives_no_event(ingest: Client, blog: str) -> None:
    await put_blog(ingest, blog)

    for page in pages_of(blog):
        first = await post_page(ingest, blog, page)
        again = await post_page(ingest, blog, page)
        assert (again["created"], again["updated"], again["deleted"]) == ([], [], [])
        assert again["sequence"] == first["sequence"]


@pytest.mark.parametrize("blog", PUSHED)
def test_every_pushed_entry_is_taken_as_it_stands(blog: str) -> None:
    for number, step in enumerate(steps_of(blog), 1):
        assert len(step) == 1, f"line {number}"
        if "put" in step:
            [entry] = read_entries(step["put"])
            assert isinstance(entry, PushedEntry)
            assert entry.id, f"line {number}"


@pytest.mark.parametrize("blog", PUSHED)
def test_no_image_is_fetched_from_the_net(blog: str) -> None:
    puts = [step["put"] for step in steps_of(blog) if "put" in step]

    assert [m for put in puts for m in put.get("media", []) if "url" in m] == []
    assert [put["id"] for put in puts if "<img" in put.get("body_html", "")] == []


async def test_pushed_steps_create_edit_and_withdraw(ingest: Client) -> None:
    await put_blog(ingest, "court")
    steps = list(steps_of("court"))

    written = [await take(ingest, "court", step) for step in steps]

    names = [step["put"]["id"] for step in steps if "put" in step]
    assert [name for w in written for name in w["created"]] == list(dict.fromkeys(names))
    assert [name for w in written for name in w["updated"]] == ["1021-lamp", "1105-cross"]
    assert [name for w in written for name in w["deleted"]] == ["1120-juror"]
    assert [step for step, w in zip(steps, written, strict=True) if w["unchanged"]] == []
