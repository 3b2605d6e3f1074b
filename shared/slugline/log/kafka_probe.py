"""Whether what answers at an address is a Kafka that we can talk to; if not, why, in one line."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import ApiVersionRequest, SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from slugline.clock import Clock
from slugline.errors import LogMismatchError, LogUnavailableError

#: Requests that we cannot do without: the lowest version that will do, and the highest that
#: aiokafka speaks. The lowest are those of Kafka 0.11: record headers and idempotent producers.
NEEDED = {
    0: ("Produce", 3, 8),
    1: ("Fetch", 4, 11),
    2: ("ListOffsets", 1, 5),
    3: ("Metadata", 1, 5),
    10: ("FindCoordinator", 0, 1),
    11: ("JoinGroup", 0, 5),
    12: ("Heartbeat", 0, 1),
    14: ("SyncGroup", 0, 3),
    22: ("InitProducerId", 0, 0),
}

#: How often a broker that is starting is asked whether it is there, in seconds.
LOOK = 0.1

_ILLEGAL_SASL_STATE = 34


async def answering_server(
    servers: str, options: dict[str, Any], within: float, clock: Clock
) -> str:
    """The first of *servers* (`host:port,…`) that answers as a Kafka we can talk to.

    Raises:
        LogMismatchError: one answers, but not to us as we are: TLS, credentials, version, no Kafka.
        LogUnavailableError: none answers within *within* seconds.
    """
    hosts = collect_hosts(servers, randomize=False)
    probes = [
        asyncio.ensure_future(_probe(host, port, options, within, clock)) for host, port, _ in hosts
    ]
    problems: list[LogUnavailableError] = []
    try:
        for probe in asyncio.as_completed(probes):
            try:
                return await probe
            except LogUnavailableError as error:
                problems.append(error)
    finally:
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
    raise next((p for p in problems if isinstance(p, LogMismatchError)), problems[0])


async def _probe(host: str, port: int, options: dict[str, Any], within: float, clock: Clock) -> str:
    server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(within):
            async with _connected(host, port, options) as connection:
                answer = await connection.send(ApiVersionRequest())
                check_versions(server, answer.api_versions)
                while not (await connection.send(MetadataRequest([]))).brokers:
                    await clock.sleep(LOOK)  # it has just started, and does not know itself yet
    except TimeoutError as error:
        raise LogUnavailableError(
            f"{server} takes connections but does not answer as Kafka within {within:g} s:"
            " it is starting, or hangs, or is something else"
        ) from error
    except (KafkaError, OSError, ValueError, NotImplementedError) as error:
        raise await _reason(error, server, host, port, options) from error
    return server


def check_versions(server: str, versions: Iterable[tuple[int, int, int]]) -> None:
    """Raise LogMismatchError unless *versions* (request, lowest, highest) hold what is NEEDED."""
    offered = {key: (lowest, highest) for key, lowest, highest in versions}
    for key, (name, ours_lowest, ours_highest) in NEEDED.items():
        lowest, highest = offered.get(key, (0, -1))
        if highest < ours_lowest:
            raise LogMismatchError(
                f"the Kafka at {server} is too old (it lacks {name} {ours_lowest}):"
                " slugline is made for Kafka 4; upgrade it"
            )
        if lowest > ours_highest:
            raise LogMismatchError(
                f"the Kafka at {server} is too new (its {name} starts at {lowest}):"
                " upgrade slugline"
            )


async def _reason(
    error: Exception, server: str, host: str, port: int, options: dict[str, Any]
) -> LogUnavailableError:
    tls = options["ssl_context"] is not None
    if isinstance(error, ssl.SSLCertVerificationError):
        return LogMismatchError(
            f"the certificate of {server} is not trusted ({error.verify_message}):"
            " name the authority that signed it"
        )
    if tls and isinstance(error, ssl.SSLError | ConnectionResetError):
        return LogMismatchError(
            f"{server} does not take our TLS ({_words(error)}): turn TLS off, name its TLS port,"
            " or give the certificate that it asks for"
        )
    if isinstance(error, OSError):
        return LogUnavailableError(
            f"no broker answers at {server} ({_words(error)}): start Kafka, or correct the address"
        )
    return _about_credentials(error, server, options) or await _about_the_protocol(
        error, server, host, port, options
    )


def _about_credentials(
    error: Exception, server: str, options: dict[str, Any]
) -> LogMismatchError | None:
    user, mechanism = options["sasl_plain_username"], options["sasl_mechanism"]
    if isinstance(error, SaslAuthenticationFailed):
        return LogMismatchError(f"{server} refuses the user name or the password of {user}")
    if isinstance(error, UnsupportedSaslMechanismError):
        return LogMismatchError(f"{server} does not take {mechanism}: choose another mechanism")
    if isinstance(error, IllegalSaslStateError):
        return LogMismatchError(f"{server} takes no credentials: leave them out, or name the port")
    return None


async def _about_the_protocol(
    error: Exception, server: str, host: str, port: int, options: dict[str, Any]
) -> LogUnavailableError:
    """It took the connection and then did not go on: find out what it would rather have heard."""
    if options["ssl_context"] is None and await _speaks_tls(host, port):
        return LogMismatchError(f"{server} speaks TLS: turn TLS on, or name its port without")
    mechanisms = await _mechanisms(host, port, options)
    if mechanisms:
        return LogMismatchError(
            f"{server} wants credentials: give a user name and a password for one of"
            f" {', '.join(mechanisms)}"
        )
    if mechanisms is None and options["ssl_context"] is not None:
        # TLS 1.3 refuses a client only after the handshake, and asyncio loses its words.
        return LogMismatchError(
            f"{server} takes our TLS and then hangs up: it asks for a certificate of ours, or it is"
            " not Kafka"
        )
    if mechanisms is None:
        if await _speaks_otherwise(host, port):
            return LogMismatchError(f"what answers at {server} is not Kafka: correct the address")
        return LogUnavailableError(
            f"{server} takes connections and ends them without a word: it is starting or stopping,"
            " or something before it does not reach it, or is something else"
        )
    return LogUnavailableError(f"the Kafka at {server} does not go on ({_words(error)})")


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: the question is only what it speaks
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _speaks_otherwise(host: str, port: int) -> bool:
    """Whether something answers to a line of text: a Kafka hangs up without a word."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"\r\n\r\n")
                return bool(await reader.read(1))
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _mechanisms(host: str, port: int, options: dict[str, Any]) -> list[str] | None:
    """Which credentials a Kafka takes, none for one that wants none; None: it is no Kafka."""
    bare = {**options, "security_protocol": "SSL" if options["ssl_context"] else "PLAINTEXT"}
    try:
        async with asyncio.timeout(1.0), _connected(host, port, bare) as connection:
            answer = await connection.send(SaslHandShakeRequest("PLAIN"))
    except (KafkaError, OSError, ValueError, TimeoutError):
        return None
    return [] if answer.error_code == _ILLEGAL_SASL_STATE else list(answer.enabled_mechanisms)


@asynccontextmanager
async def _connected(host: str, port: int, options: dict[str, Any]) -> AsyncIterator[Any]:
    connection = await create_conn(host, port, **options)
    try:
        yield connection
    finally:
        closed = connection.close()
        if closed is not None:
            await asyncio.wait({closed}, timeout=1.0)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
