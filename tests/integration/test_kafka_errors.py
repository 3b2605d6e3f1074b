"""What is said when what answers is not the Kafka that we are set up for."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from slugline.clock import SystemClock
from slugline.errors import LogMismatchError, LogUnavailableError, SettingsError
from slugline.log import Record, TopicSpec
from slugline.log.kafka import open_kafka_log
from slugline.log.kafka_connection import Security, Timing
from slugline.log.kafka_probe import NEEDED
from tests.kafka.broker import PASSWORD, USER, SecuredCluster, free_ports
from tests.kafka.mock import MockCluster

SPEC = TopicSpec(name="slugline.test.v1", compact=True)
BOUNDS = Timing(answer=1.0, publish=2.0)
ALICE = Security(mechanism="SCRAM-SHA-256", username=USER, password=PASSWORD)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def complaint(servers: str, security: Security | None = None) -> LogUnavailableError:
    """What `ends` says of *servers*."""
    async with open_kafka_log(servers, SystemClock(), security=security, timing=BOUNDS) as log:
        with pytest.raises(LogUnavailableError) as caught:
            await log.ends([SPEC.name])
    assert "\n" not in str(caught.value)
    return caught.value


@asynccontextmanager
async def a_server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


def kafka_of(versions: dict[int, tuple[int, int]]) -> Handler:
    """A Kafka that offers *versions*, and drops whoever asks for anything else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            key, _, correlation = struct.unpack_from(">hhi", await reader.readexactly(size))
            if key != 18:
                return
            rows = [struct.pack(">hhh", key, *span) for key, span in versions.items()]
            body = struct.pack(">ihi", correlation, 0, len(rows)) + b"".join(rows)
            writer.write(struct.pack(">i", len(body)) + body)

    return answer


async def test_a_broker_that_is_not_there_is_named() -> None:
    (port,) = free_ports(1)

    error = await complaint(f"127.0.0.1:{port}")

    assert f"no broker answers at 127.0.0.1:{port}" in str(error)
    assert "start Kafka, or correct the address" in str(error)
    assert not isinstance(error, LogMismatchError)


async def test_a_host_that_does_not_exist_is_named() -> None:
    assert "no broker answers at nowhere.invalid:9092" in str(await complaint("nowhere.invalid"))


async def test_another_kind_of_server_is_not_taken_for_kafka() -> None:
    async with a_server(http) as server:
        error = await complaint(server)

    assert str(error) == f"what answers at {server} is not Kafka: correct the address"
    assert isinstance(error, LogMismatchError)


async def hanging_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """What stands before a broker that is away does this, and a broker that is being stopped."""


async def test_a_server_that_hangs_up_at_once_may_be_a_kafka_that_is_away() -> None:
    async with a_server(hanging_up) as server:
        error = await complaint(server)

    assert "takes connections and ends them without a word" in str(error)
    assert not isinstance(error, LogMismatchError)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with a_server(silent) as server:
        assert "does not answer as Kafka within" in str(await complaint(server))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({1: (0, 3)}, "too old (it lacks Fetch 4): slugline is made for Kafka 4; upgrade it"),
        ({22: None}, "too old (it lacks InitProducerId 0)"),
        ({0: (9, 13)}, "too new (its Produce starts at 9): upgrade slugline"),
    ],
    ids=["old", "older", "new"],
)
async def test_a_kafka_of_another_age_is_refused(
    change: dict[int, tuple[int, int] | None], words: str
) -> None:
    offered = {key: (lowest, highest) for key, (_, lowest, highest) in NEEDED.items()}
    versions = {key: span for key, span in {**offered, **change}.items() if span}
    async with a_server(kafka_of({18: (0, 0), **versions})) as server:
        error = await complaint(server)

    assert words in str(error)
    assert isinstance(error, LogMismatchError)


async def test_one_of_several_servers_is_enough(mock: MockCluster) -> None:
    (port,) = free_ports(1)
    mock.make(SPEC.name, 2)

    async with open_kafka_log(f"127.0.0.1:{port},{mock.servers}", SystemClock()) as log:
        assert len(await log.ends([SPEC.name])) == 2


async def test_a_topic_that_does_not_exist_is_named(mock: MockCluster) -> None:
    error = await complaint(mock.servers)

    assert f"there is no topic {SPEC.name} at {mock.servers}" in str(error)
    assert "slugline topics ensure" in str(error)


@pytest.mark.parametrize(
    ("security", "words"),
    [
        (Security(), "wants credentials: give a user name and a password for one of PLAIN"),
        (replace(ALICE, password="wrong"), "refuses the user name or the password of alice"),
        (replace(ALICE, mechanism="PLAIN", password="wrong"), "refuses the user name or the pass"),
        (replace(ALICE, mechanism="SCRAM-SHA-512"), "does not take SCRAM-SHA-512"),
        (replace(ALICE, tls=True), "does not take our TLS"),
    ],
    ids=["none", "wrong", "wrong, PLAIN", "mechanism", "TLS"],
)
async def test_a_broker_that_wants_credentials_says_which(
    secured_kafka: SecuredCluster, security: Security, words: str
) -> None:
    error = await complaint(secured_kafka.credentials, security)

    assert words in str(error)
    assert isinstance(error, LogMismatchError)
    assert "wrong" not in str(error)


async def test_credentials_that_nobody_wants_are_named(secured_kafka: SecuredCluster) -> None:
    assert "takes no credentials" in str(await complaint(secured_kafka.plain, ALICE))


async def test_a_broker_that_speaks_tls_says_so(secured_kafka: SecuredCluster) -> None:
    assert "speaks TLS: turn TLS on" in str(await complaint(secured_kafka.tls))
    assert "speaks TLS: turn TLS on" in str(await complaint(secured_kafka.both, ALICE))


async def test_a_certificate_that_is_not_trusted_is_named(secured_kafka: SecuredCluster) -> None:
    error = await complaint(secured_kafka.tls, Security(tls=True))

    assert f"the certificate of {secured_kafka.tls} is not trusted" in str(error)


@pytest.mark.parametrize("kind", ["plain", "credentials", "PLAIN", "tls", "both"])
async def test_the_right_credentials_and_certificates_open_the_log(
    secured_kafka: SecuredCluster, kind: str
) -> None:
    tls = Security(tls=True, ca_file=secured_kafka.ca_file)
    server, security = {
        "plain": (secured_kafka.plain, Security()),
        "credentials": (secured_kafka.credentials, ALICE),
        "PLAIN": (secured_kafka.credentials, replace(ALICE, mechanism="PLAIN")),
        "tls": (secured_kafka.tls, tls),
        "both": (secured_kafka.both, replace(ALICE, tls=True, ca_file=secured_kafka.ca_file)),
    }[kind]

    async with open_kafka_log(
        server, SystemClock(), prefix=f"test-{kind}.", security=security
    ) as log:
        await log.ensure([SPEC], 2)
        await log.publish([Record(topic=SPEC.name, key=b"k", value=b"v", partition=1)])
        batch = await anext(aiter(log.read([SPEC.name], {})))

    assert [record.value for record in batch.records] == [b"v"]


@pytest.mark.parametrize(
    ("security", "words"),
    [
        (Security(mechanism="GSSAPI"), "GSSAPI is not one of PLAIN, SCRAM-SHA-256"),
        (Security(mechanism="PLAIN", username="alice"), "PLAIN needs a user name and a password"),
        (Security(tls=True, ca_file=Path("nowhere.pem")), "TLS files cannot be used (nowhere.pem)"),
    ],
    ids=["mechanism", "password", "file"],
)
async def test_settings_that_cannot_work_are_refused_at_once(
    security: Security, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        async with open_kafka_log("127.0.0.1:9092", SystemClock(), security=security):
            pass

    assert words in str(caught.value)


async def test_a_password_is_never_printed() -> None:
    assert PASSWORD not in repr(ALICE)


async def test_a_broker_that_wants_our_certificate_is_shown_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ours = authority.issue_cert("slugline.example")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    bare = Security(tls=True, ca_file=tmp_path / "ca.pem")

    async with a_server(silent, tls=context) as server:
        without = await complaint(server, bare)
        shown = await complaint(server, replace(bare, certificate_file=tmp_path / "ours.pem"))

    assert "it asks for a certificate of ours, or it is not Kafka" in str(without)
    assert "does not answer as Kafka within" in str(shown)  # TLS was fine; then it said nothing
