"""`slugline ingest` and `slugline syndicate` on a real Kafka, with replicas that come and go."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

import pytest
from cryptography.fernet import Fernet

from tests.e2e.service import (
    PATIENCE,
    SEEDS,
    Arrival,
    Client,
    Service,
    client,
    partner,
    running,
    slugline,
)
from tests.kafka.broker import Cluster

T = TypeVar("T")

PAGE = (SEEDS / "storm" / "page-1.txt").read_text()


@dataclass
class Installation:
    """Settings that all replicas share, on a log of its own."""

    folder: Path
    settings: dict[str, str]

    @asynccontextmanager
    async def replica(self, command: str, number: int = 1) -> AsyncIterator[Service]:
        async with running(self.folder / f"{command}-{number}", command, self.settings) as service:
            yield service


@pytest.fixture
async def installation(kafka: Cluster, tmp_path: Path) -> Installation:
    settings = {
        "SLUGLINE_LOG_URL": f"kafka://{kafka.servers}",
        "SLUGLINE_KAFKA_PREFIX": f"test-{token_hex(4)}.",
        "SLUGLINE_ADMIN_TOKEN": "an-admin",
        "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode(),
        "SLUGLINE_PUBLIC_URL": "https://live.example",
    }
    code, out, err = await slugline("topics", "ensure", **settings)
    assert code == 0, err
    assert "6 topics of 12 partitions are there" in out
    return Installation(tmp_path, settings)


def ids(arrivals: list[Arrival]) -> list[str]:
    return [arrival.id for arrival in arrivals]


async def push(us: Client, *names: str) -> set[str]:
    """Push entries one after the other, to blogs in turn; their ids."""
    for number, name in enumerate(names):
        await us.post_entry(f"blog-{number % 4}", id=name, title=f"Entry {name}")
    return set(names)


def entries_of(arrivals: list[Arrival]) -> set[str]:
    return {a.event["data"]["entry"]["id"] for a in arrivals if "entry" in a.event["data"]}


async def same_everywhere(path: str, replicas: list[Service], entries: int) -> set[str]:
    """What *replicas* answer on *path*, once each of them shows so many entries."""
    return {await shown_by(replica, path, entries) for replica in replicas}


async def shown_by(replica: Service, path: str, entries: int) -> str:
    """What *replica* answers once it has read the log so far; it does that at its own pace."""
    async with asyncio.timeout(PATIENCE), client(replica) as us:
        while True:
            async with us.session.get(f"{us.syndicate}{path}") as answer:
                text = await answer.text()
            if text.count("<entry>") >= entries:
                return text


async def test_every_replica_serves_the_same_bytes(installation: Installation) -> None:
    async with (
        installation.replica("ingest") as ingest,
        installation.replica("syndicate", 1) as one,
        installation.replica("syndicate", 2) as two,
        client(ingest) as us,
    ):
        written = await us.post_text("storm", PAGE)

        feeds = await same_everywhere("/blogs/storm/feed.atom", [one, two], len(written["created"]))

        assert len(feeds) == 1


async def test_two_replicas_of_ingest_see_each_others_writes(installation: Installation) -> None:
    async with (
        installation.replica("ingest", 1) as one,
        installation.replica("ingest", 2) as two,
        client(one) as first,
        client(two) as second,
    ):
        written = await first.post_text("storm", PAGE)
        again = await second.post_text("storm", PAGE)

        assert (again["created"], again["unchanged"]) == ([], len(written["created"]))


async def test_joining_and_leaving_replicas_send_nothing_twice(installation: Installation) -> None:
    async with installation.replica("ingest") as ingest, partner() as them:
        async with installation.replica("syndicate", 1) as first:
            async with client(ingest, first) as us:
                for _ in range(4):
                    await us.subscribe(them.url, "*")
                sent = await push(us, *(f"a{n}" for n in range(12)))
            async with installation.replica("syndicate", 2) as second, client(ingest, second) as us:
                sent |= await push(us, *(f"b{n}" for n in range(12)))
                assert await first.stop() == 0
                sent |= await push(us, *(f"c{n}" for n in range(12)))
                blogs, subscriptions = 4, 4
                total = (len(sent) + blogs) * subscriptions
                await them.until(lambda arrivals: len(arrivals) >= total)
                assert await second.stop() == 0

        assert entries_of(them.arrivals) == sent
        counts = {name: ids(them.arrivals).count(name) for name in ids(them.arrivals)}
        assert set(counts.values()) == {subscriptions}


async def test_a_killed_replicas_work_is_taken_over(installation: Installation) -> None:
    async with (
        installation.replica("ingest") as ingest,
        installation.replica("syndicate", 1) as first,
        installation.replica("syndicate", 2) as second,
        partner() as them,
        client(ingest, second) as us,
    ):
        for _ in range(6):
            await us.subscribe(them.url, "*")
        sent = await push(us, *(f"a{n}" for n in range(8)))
        await them.until(lambda arrivals: entries_of(arrivals) == sent)
        await first.stop(signal.SIGKILL)
        sent |= await push(us, *(f"b{n}" for n in range(8)))

        await them.until(
            lambda arrivals: (
                all(ids(arrivals).count(name) >= 6 for name in ids(arrivals))
                and entries_of(arrivals) == sent
            )
        )
        bodies: dict[str, bytes] = {}
        assert all(bodies.setdefault(a.id, a.body) == a.body for a in them.arrivals)


async def test_feeds_are_served_while_kafka_is_away_and_all_heals_when_it_is_back(
    installation: Installation, kafka: Cluster
) -> None:
    broker = kafka.broker
    async with (
        installation.replica("ingest") as ingest,
        installation.replica("syndicate") as syndicate,
        partner() as them,
        client(ingest, syndicate) as us,
    ):
        await us.subscribe(them.url, "*")
        sent = await push(us, "before")
        await them.until(lambda arrivals: entries_of(arrivals) == sent)
        broker.stop()
        try:
            url = f"{ingest.ingest}/v1/blogs/storm/entries"
            headers = {"Authorization": "Bearer an-admin"}
            async with us.session.post(url, json={"title": "x"}, headers=headers) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0
            assert "Entry before" in await us.text("/blogs/blog-0/feed.atom")
            await syndicate.until_logged("log.unreachable")
            async with us.session.get(f"{syndicate.syndicate}/healthz") as answer:
                health = await answer.json()
                assert (answer.status, health["log"], health["view"]["stale"]) == (
                    200,
                    "away",
                    True,
                )
                assert not health["deliveries"]["sending"]
        finally:
            broker.start()
            broker.serving()
        sent |= await when_back(lambda: push(us, "after"))

        await them.until(lambda arrivals: entries_of(arrivals) == sent)
        assert len(set(ids(them.arrivals))) == len(them.arrivals)
        assert not any(e["event"] == "not JSON" for s in (ingest, syndicate) for e in s.said)


async def when_back(write: Callable[[], Awaitable[T]]) -> T:
    """What *write* gives once it is taken: it is repeated until then, which is safe."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await write()
            except AssertionError:
                await asyncio.sleep(0)


async def test_a_replica_starts_from_its_view_while_kafka_is_away(
    installation: Installation, kafka: Cluster
) -> None:
    async with (
        installation.replica("ingest") as ingest,
        installation.replica("syndicate") as syndicate,
        client(ingest, syndicate) as us,
    ):
        written = await us.post_text("storm", PAGE)
        path = "/blogs/storm/feed.atom"
        (before,) = await same_everywhere(path, [syndicate], len(written["created"]))
        await syndicate.stop()
        kafka.broker.stop()
        try:
            await syndicate.start()
            assert await us.text(path) == before
        finally:
            kafka.broker.start()
            kafka.broker.serving()
        await when_back(lambda: us.post_entry("storm", id="later", title="Kafka is back"))
        feeds = await same_everywhere(path, [syndicate], len(written["created"]) + 1)
        assert all("Kafka is back" in feed for feed in feeds)


async def test_a_service_without_topics_says_what_to_do(kafka: Cluster, tmp_path: Path) -> None:
    settings = {
        "SLUGLINE_LOG_URL": f"kafka://{kafka.servers}",
        "SLUGLINE_KAFKA_PREFIX": f"none-{token_hex(4)}.",
        "SLUGLINE_ADMIN_TOKEN": "x",
        "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode(),
    }
    code, _, err = await slugline("ingest", "--data", str(tmp_path), **settings)

    assert code == 1
    assert "run `slugline topics ensure`" in err.splitlines()[-1]


async def test_services_want_their_secrets_set() -> None:
    code, _, err = await slugline("syndicate", SLUGLINE_LOG_URL="kafka://127.0.0.1:9")

    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "SLUGLINE_ADMIN_TOKEN",
        "SLUGLINE_SECRET_KEY",
    ]


async def test_a_view_is_one_processs_alone(installation: Installation) -> None:
    async with installation.replica("ingest") as service:
        twin = Service(service.data, "ingest", installation.settings)
        code, _, err = await slugline(*twin.arguments, **installation.settings)

    assert code == 2
    assert "give each replica a SLUGLINE_DATA_DIR of its own" in err


async def test_topics_that_differ_are_shown_as_a_diff_and_left_alone(
    installation: Installation, kafka: Cluster
) -> None:
    more = installation.settings | {"SLUGLINE_KAFKA_FLUSH": "on"}

    code, out, _ = await slugline("topics", "diff", **more)
    refused, _, why = await slugline("topics", "ensure", **more)
    changed, shown, _ = await slugline("topics", "ensure", "--change", **more)
    after, nothing, _ = await slugline("topics", "diff", **more)

    assert code == 1
    assert f" {more['SLUGLINE_KAFKA_PREFIX']}entries.v1\n-    flush.messages=" in out
    assert "+    flush.messages=1\n" in out
    assert (refused, changed, after) == (1, 0, 0)
    assert "nothing was changed" in why
    assert shown.startswith("--- Kafka at")
    assert nothing == ""


async def test_tail_and_lag_read_kafka_too(installation: Installation) -> None:
    async with (
        installation.replica("ingest") as ingest,
        installation.replica("syndicate") as syndicate,
        client(ingest, syndicate) as us,
    ):
        await us.post_entry("storm", id="e1", title="Doors open")
        await us.subscribe("http://127.0.0.1:9/nobody", "storm")

        _, events, _ = await slugline("tail", "--earliest", "--no-follow", **installation.settings)
        _, lag, _ = await slugline("lag", **installation.settings)

    assert '"entry":"e1"' in events
    assert '"waiting_events": 2' in lag
