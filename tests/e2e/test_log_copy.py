"""`slugline log copy`, and logs that services refuse to start on."""

from pathlib import Path
from secrets import token_hex

import pytest
from cryptography.fernet import Fernet

from slugline.clock import SystemClock
from slugline.log import Record
from slugline.log.sqlite import open_log
from slugline.marks import COPY, mark
from slugline.topics import ENTRIES, SPECS, base_key
from tests.e2e.service import Arrival, Service, client, partner, running, slugline
from tests.kafka.broker import Cluster

KEYS = {
    "SLUGLINE_ADMIN_TOKEN": "an-admin",
    "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode(),
    "SLUGLINE_PUBLIC_URL": "https://live.example",
}


def at(path: Path) -> str:
    return f"sqlite:///{path}"


async def some_log(data: Path) -> str:
    """The URL of a log with an entry in it, whose service was stopped."""
    async with running(data, more=KEYS) as service, client(service) as us:
        await us.post_entry("storm", id="e1", title="Doors open")
        assert await service.stop() == 0
    return at(data / "log.db")


async def refused(*arguments: str, **more: str) -> tuple[int, str]:
    """The exit code of a command that says no in one line, and the line."""
    code, out, err = await slugline(*arguments, **more)
    assert out == ""
    assert len(err.splitlines()) == 1
    return code, err


async def refusal(service: Service) -> tuple[int, str]:
    """How a service ends that never starts: its exit code, and its last line."""
    code, _, err = await slugline(*service.arguments, **service.more)
    return code, err.splitlines()[-1]


def titles(arrivals: list[Arrival]) -> list[str]:
    return [arrival.event["data"]["entry"]["title"] for arrival in arrivals]


async def test_an_installation_moves_to_kafka_and_its_partners_notice_nothing(
    kafka: Cluster, tmp_path: Path
) -> None:
    before, after = at(tmp_path / "before" / "log.db"), f"kafka://{kafka.servers}"
    on_kafka = {**KEYS, "SLUGLINE_LOG_URL": after, "SLUGLINE_KAFKA_PREFIX": f"t{token_hex(4)}."}
    async with partner() as them:
        async with running(tmp_path / "before", more=KEYS) as service, client(service) as us:
            await us.post_entry("storm", id="e0", title="Before the subscription")
            await us.subscribe(them.url, "storm", start="now")
            await us.post_entry("storm", id="e1", title="Doors open")
            await them.until(lambda arrivals: len(arrivals) == 1)
            feed = await us.text("/blogs/storm/feed.atom")
            assert await service.stop() == 0

        code, out, err = await slugline("log", "copy", before, after, **on_kafka)
        assert (code, err) == (0, "")
        assert out.startswith(f"{after}: ")
        assert out.endswith("records in 12 partitions\n")

        async with running(tmp_path / "after", more=on_kafka) as service, client(service) as us:
            assert await us.text("/blogs/storm/feed.atom") == feed
            await us.post_entry("storm", id="e2", title="Doors close")
            await them.until(lambda arrivals: len(arrivals) == 2)
            assert await service.stop() == 0

        code, err = await refused("log", "copy", before, after, **on_kafka)
    assert code == 1
    assert "the destination holds a log already" in err
    assert titles(them.arrivals) == ["Doors open", "Doors close"]
    first, second = [arrival.event["data"]["sequence"] for arrival in them.arrivals]
    assert first < second


async def test_a_log_moves_to_more_partitions_on_the_same_kafka(
    kafka: Cluster, tmp_path: Path
) -> None:
    url, prefix = f"kafka://{kafka.servers}", f"t{token_hex(4)}."
    few = {**KEYS, "SLUGLINE_LOG_URL": url, "SLUGLINE_KAFKA_PREFIX": prefix}
    await slugline("topics", "ensure", "--partitions", "2", **few)
    async with running(tmp_path / "few", more=few) as service, client(service) as us:
        await us.post_entry("storm", id="e1", title="Doors open")
        assert await service.stop() == 0

    code, err = await refused("log", "copy", url, url, **few)
    assert code == 2
    assert "the same log" in err
    to = ("--partitions", "5", "--to-prefix", f"more-{prefix}")
    code, out, err = await slugline("log", "copy", *to, url, url, **few)

    assert (code, err) == (0, "")
    assert out.endswith("records in 5 partitions\n")
    more = {**few, "SLUGLINE_KAFKA_PREFIX": f"more-{prefix}"}
    code, out, _ = await slugline("tail", "--earliest", "--no-follow", **more)
    assert code == 0
    assert "Doors open" in out


async def test_a_log_that_is_in_use_is_not_copied(tmp_path: Path) -> None:
    async with running(tmp_path / "one", more=KEYS):
        code, err = await refused(
            "log", "copy", at(tmp_path / "one/log.db"), at(tmp_path / "two.db")
        )

    assert code == 1
    assert "is in use by another slugline: stop it" in err
    assert not (tmp_path / "two.db").exists()


@pytest.mark.parametrize(
    ("source", "destination", "said"),
    [
        ("log.db", "sqlite:///two.db", "SOURCE: 'log.db' is no log; give sqlite:///<path>"),
        ("sqlite:///one.db", "http://x", "DESTINATION: 'http://x' is no log"),
        ("sqlite:///one.db", "sqlite:///./one.db", "source and destination are the same log"),
        ("sqlite:///absent.db", "sqlite:///two.db", "there is no log at absent.db"),
    ],
)
async def test_what_is_no_pair_of_logs_is_refused(source: str, destination: str, said: str) -> None:
    code, err = await refused("log", "copy", source, destination)

    assert code == 2
    assert said in err


async def test_a_copy_is_refused_with_another_secret_key(tmp_path: Path) -> None:
    await some_log(tmp_path / "one")
    other = {**KEYS, "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode()}

    code, err = await refusal(Service(tmp_path / "one", more=other))

    assert code == 1
    assert "belongs to an installation with another secret key" in err


async def test_an_unfinished_copy_is_not_served(tmp_path: Path) -> None:
    await some_log(tmp_path / "one")
    async with open_log(tmp_path / "one/log.db", SystemClock()) as log:
        await log.publish([mark(COPY, b"{}")])

    code, err = await refusal(Service(tmp_path / "one", more=KEYS))

    assert code == 1
    assert "a copy into it was not finished: delete its file" in err


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (base_key(-7), "has a base record that is none of ours ('_base|-7')"),
        (b"storm|e1", "has no base record before offset 0"),
    ],
)
async def test_a_foreign_log_ends_the_process_and_is_not_served(
    tmp_path: Path, key: bytes, said: str
) -> None:

    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure(SPECS, 12)
        await log.publish([Record(topic=ENTRIES, key=key, value=b"{}", partition=5)])

    code, err = await refusal(Service(tmp_path, more=KEYS))

    assert code == 1
    assert err.startswith("slugline: partition ")
    assert said in err
    assert "SLUGLINE_KAFKA_PREFIX" in err


async def test_two_installations_on_one_kafka_with_one_prefix_are_told_apart(
    kafka: Cluster, tmp_path: Path
) -> None:
    shared = {
        "SLUGLINE_LOG_URL": f"kafka://{kafka.servers}",
        "SLUGLINE_KAFKA_PREFIX": f"t{token_hex(4)}.",
    }
    code, _, err = await slugline("topics", "ensure", **shared)
    assert code == 0, err
    ours = {**KEYS, **shared}
    theirs = {**ours, "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode()}
    async with running(tmp_path / "ours", "syndicate", ours):
        for command in ("ingest", "syndicate"):
            code, err = await refusal(Service(tmp_path / "theirs", command, theirs))

            assert code == 1
            assert "belongs to an installation with another secret key" in err
