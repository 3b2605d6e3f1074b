"""`slugline run` from outside: a live page becomes feeds and signed webhooks, whatever happens to the process."""

import asyncio
import signal
import sqlite3
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import feedparser
import pytest
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from tests.e2e.service import (
    PATIENCE,
    SEEDS,
    Arrival,
    Service,
    client,
    partner,
    running,
    slugline,
)
from tests.integration.bad_site import a_site

PAGE = (SEEDS / "storm" / "page-1.txt").read_text()


async def test_a_page_becomes_feeds_and_webhooks_that_others_can_verify(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as service, client(service) as us, partner() as them:
        written = await us.post_text("storm", PAGE)
        subscription = await us.subscribe(them.url, "storm")
        await them.until(lambda arrivals: len(arrivals) == 1 + len(written["created"]))

        for name in ("atom", "rss"):
            feed = feedparser.parse(await us.text(f"/blogs/storm/feed.{name}"))
            assert not feed.bozo
            assert len(feed.entries) == len(written["created"])
        for arrival in them.arrivals:
            assert Webhook(subscription["secret"]).verify(arrival.body, arrival.headers)
            SvixWebhook(subscription["secret"]).verify(
                arrival.body, arrival.headers
            )  # or it raises
        assert {a.event["data"]["entry"]["id"] for a in them.arrivals[1:]} == set(
            written["created"]
        )
        assert (await us.post_text("storm", PAGE))["created"] == []


async def test_links_of_feeds_are_built_from_where_it_serves(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_entry("storm", id="e1", title="Doors open")

        feed = feedparser.parse(await us.text("/blogs/storm/feed.atom"))

        page = f"http://localhost:{service.syndicate_port}/blogs/storm"
        assert feed.feed.link == page
        assert feed.entries[0].link == f"{page}/entries/e1"


async def write_until_killed(service: Service, accepted: set[str]) -> None:
    """Push entries, several at a time, until the process is gone."""

    async def push(worker: int) -> None:
        async with client(service) as us:
            for number in range(10_000):
                name = f"e{worker}-{number}"
                answer = await us.post_entry(f"blog-{worker % 2}", id=name, title=f"Entry {name}")
                accepted.update(answer["created"])

    results = await asyncio.gather(*(push(n) for n in range(4)), return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError) for result in results)


async def test_a_process_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    accepted: set[str] = set()
    async with running(tmp_path) as service, partner() as them:
        async with client(service) as us:
            await us.subscribe(them.url, "*")
        writing = asyncio.create_task(write_until_killed(service, accepted))
        await them.until(lambda arrivals: len(arrivals) >= 100)
        await service.stop(signal.SIGKILL)
        await writing
        await service.start()
        await them.until(lambda arrivals: accepted <= entry_ids(arrivals))
        await service.stop()

        for blog in ("blog-0", "blog-1"):
            assert_first_sent_in_order([a for a in them.arrivals if blog_of(a) == blog])
        bodies: dict[str, bytes] = {}
        assert all(bodies.setdefault(a.id, a.body) == a.body for a in them.arrivals)


def entry_ids(arrivals: list[Arrival]) -> set[str]:
    return {a.event["data"]["entry"]["id"] for a in arrivals if "entry" in a.event["data"]}


def blog_of(arrival: Arrival) -> str:
    return str(arrival.event["data"]["blog"]["id"])


def assert_first_sent_in_order(arrivals: list[Arrival]) -> None:
    first = list({a.id: a for a in arrivals}.values())
    sequences = [a.event["data"]["sequence"] for a in first]
    assert sequences == sorted(sequences)
    chain = [(a.event["data"]["previous"], a.id) for a in first]
    assert all(previous == before for (_, before), (previous, _) in pairwise(chain))


async def test_feeds_keep_their_bytes_over_a_restart_and_without_the_view(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_text("storm", PAGE)
        before = await us.text("/blogs/storm/feed.atom")
        await service.stop()
        drop_view(tmp_path)
        await service.start()

        assert await us.text("/blogs/storm/feed.atom") == before


def drop_view(data: Path) -> None:
    for path in data.glob("view-run.db*"):
        path.unlink()


async def test_it_stops_cleanly_while_a_receiver_hangs(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client(service) as us, partner(lambda _: None) as them:
        await us.subscribe(them.url, "storm")
        await us.post_entry("storm", title="Doors open")
        await them.until(lambda arrivals: len(arrivals) >= 1)

        assert await service.stop() == 0
        assert [line["event"] for line in service.said][-1] == "service.stopping"


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        _, writer = await asyncio.open_connection("127.0.0.1", service.ingest_port)
        head = f"POST /v1/blogs/storm/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        writer.write(f"{head}Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf".encode())
        await writer.drain()  # a request under way, which a clean stop waits for
        async with client(service) as us:
            await us.text("/livez")
        service.send(signal.SIGTERM)
        await service.until_logged("service.stopping")

        assert await service.stop() == 128 + signal.SIGTERM
        writer.close()


async def test_the_admins_token_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as service:
        token = service.token
        await service.stop()
        await service.start()

        code, out, _ = await slugline("token", "--data", str(data))

        assert (code, out.strip()) == (0, token)
        for name in ("admin-token", "secret-key"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o600


async def test_a_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    async with running(tmp_path):
        code, _, err = await slugline(*Service(tmp_path).arguments)

    assert code == 1
    assert one_line(err) == (
        f"slugline: {tmp_path}/log.db is in use by another slugline: stop it, or name another data folder"
    )


async def test_a_busy_port_is_refused_in_one_line(tmp_path: Path) -> None:
    service = Service(tmp_path)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", service.syndicate_port)
    async with server:
        code, _, err = await slugline(*service.arguments)

    assert code == 2
    assert f"port {service.syndicate_port} on 127.0.0.1 is in use" in one_line(err)


async def test_a_damaged_log_is_said_and_not_served(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 8192)

    code, out, err = await slugline(*Service(tmp_path).arguments)

    assert code == 1
    assert "log.db is damaged" in one_line(err)
    assert "restore it from a backup" in err
    assert out == ""


async def test_a_damaged_view_is_rebuilt(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_text("storm", PAGE)
        before = await us.text("/blogs/storm/feed.rss")
        await service.stop()
        (tmp_path / "view-run.db").write_bytes(b"no database at all" * 1000)
        await service.start()

        assert await us.text("/blogs/storm/feed.rss") == before


async def test_wrong_settings_are_told_one_line_each() -> None:
    code, _, err = await slugline("run", SLUGLINE_INGEST_PORT="many", SLUGLINE_LOG_LEVEL="loud")

    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "SLUGLINE_INGEST_PORT",
        "SLUGLINE_LOG_LEVEL",
    ]


def one_line(err: str) -> str:
    """The line of *err* that is no log line; there must be just one."""
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, err
    return lines[0]


async def test_the_demo_shows_verified_webhooks_and_leaves_nothing_behind() -> None:
    service = Service(None)
    await service.start()
    await service.until("✓ entry.created")

    assert await service.stop() == 0
    view = next(line for line in service.said if line["event"] == "view.ready")["path"]
    assert not Path(view).parent.exists()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
async def test_the_log_is_whole_after_a_stop(tmp_path: Path, signal_number: signal.Signals) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_entry("storm", title="Doors open")

        assert await service.stop(signal_number) == 0

    assert not (tmp_path / "log.db-wal").exists()
    with sqlite3.connect(tmp_path / "log.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def test_run_polls_the_sources_that_it_is_given(tmp_path: Path) -> None:
    page = (SEEDS.parent / "tests" / "data" / "jsonld" / "harbour.html").read_bytes()
    async with a_site() as site, running(tmp_path) as service, aiohttp.ClientSession() as session:
        source = f"{service.ingest}/v1/blogs/harbour/sources/main"
        wanted = {"url": site.page("/live", page), "interval": 1}
        headers = {"Authorization": f"Bearer {service.token}"}
        async with session.put(source, json=wanted, headers=headers) as answer:
            assert answer.status == 200
        async with asyncio.timeout(PATIENCE):
            shown: dict[str, Any] = {"last_published": None}
            while shown["last_published"] is None:
                async with session.get(source, headers=headers) as answer:
                    shown = await answer.json()
        async with session.get(f"{service.syndicate}/blogs/harbour/feed.atom") as answer:
            feed = await answer.text()

    assert shown["last_published"]["created"] == 4
    assert "The lost dog is found" in feed
