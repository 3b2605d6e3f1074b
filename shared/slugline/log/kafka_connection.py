"""Connections to Kafka: how clients are made, started, bounded and ended.

aiokafka's clients do not always end when they are told to (`stop` waits for a dead broker, or raises
CancelledError into its caller), so nothing here waits for one without a bound.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAuthorizationFailedError,
)

from slugline.clock import Clock
from slugline.errors import LogMismatchError, LogUnavailableError, SettingsError
from slugline.log.kafka_probe import answering_server

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

#: How long a client that is done with may take to say goodbye, in seconds.
GOODBYE = 2.0
#: How often what is left of it is cancelled before it is left alone.
CUTS = 20

T = TypeVar("T")

_FAULTS = (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NotImplementedError,
    OSError,  # TimeoutError is one
)

_FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Bounds on what a broker may take, in seconds; tests shorten them."""

    #: A whole publish, from the call to the acknowledgement of its last record.
    publish: float = 8.0
    #: One question: ends, begins, which topics there are; also the start of a client.
    answer: float = 4.0
    #: A read whose broker says nothing for so long starts afresh.
    silence: float = 5.0
    #: How long the group waits for a member that says nothing. A broker refuses less than 6 s.
    session: float = 10.0
    heartbeat: float = 1.0
    #: How long a broker holds a fetch while there is nothing.
    fetch_wait: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How to speak to the brokers: in the clear and without credentials unless told otherwise.

    *mechanism* is one of MECHANISMS. Without *ca_file* the system's authorities are trusted;
    *certificate_file* and *key_file* show who we are where brokers ask for that.
    """

    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """What aiokafka's clients want to be told. Raises SettingsError."""
        if self.mechanism and self.mechanism not in MECHANISMS:
            raise SettingsError(f"{self.mechanism} is not one of {', '.join(MECHANISMS)}")
        if self.mechanism and not (self.username and self.password):
            raise SettingsError(f"{self.mechanism} needs a user name and a password")
        protocol = f"{'SASL_' if self.mechanism else ''}{'SSL' if self.tls else 'PLAINTEXT'}"
        return {
            "security_protocol": protocol,
            "ssl_context": self._tls_context() if self.tls else None,
            "sasl_mechanism": self.mechanism or "PLAIN",
            "sasl_plain_username": self.username or None,
            "sasl_plain_password": self.password or None,
        }

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            names = [str(f) for f in (self.ca_file, self.certificate_file, self.key_file) if f]
            raise SettingsError(
                f"TLS files cannot be used ({', '.join(names)}): {error}"
            ) from error
        return context


class Connection:
    """Makes clients of one Kafka, and sees that each of them ends."""

    def __init__(self, servers: str, security: Security, timing: Timing, clock: Clock) -> None:
        self.servers = servers
        self._clock = clock
        self.timing = timing
        self._options = security.options()
        self._clients: set[Any] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(
        self, kind: Callable[..., Any], *, within: float | None = None, **options: Any
    ) -> Any:
        """A client of *kind*, started. Raises LogUnavailableError in words that say what to do."""
        self._check_open()
        server = await answering_server(
            self.servers, self._options, self.timing.answer / 2, self._clock
        )
        self._check_open()
        client = kind(bootstrap_servers=server, **self._options, **options)
        self._clients.add(client)
        try:
            with contained(server):
                async with asyncio.timeout(within or self.timing.answer):
                    await client.start()
            self._check_open()
        except BaseException:
            self.end(client)
            raise
        return client

    def end(self, client: Any, *, within: float = GOODBYE) -> None:
        """Let go of *client*: it says goodbye in the background, or is cut off after *within*."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        task = asyncio.get_running_loop().create_task(_end(client, within))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End whatever is left, and wait for it; nothing is started any more."""
        self._closed = True
        for client in list(self._clients):
            self.end(client)
        while self._ending:
            await asyncio.wait(set(self._ending))

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailableError("the log was closed")


class Shared(Generic[T]):
    """One client that many use: started by whoever needs it first, dropped once it has failed."""

    def __init__(
        self, start: Callable[[], Coroutine[Any, Any, T]], end: Callable[[T], None]
    ) -> None:
        self._start = start
        self._end = end
        self._starting: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The client. All who wait share one start, and its failure."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        starting = self._starting
        try:
            with contained("Kafka"):
                # Shielded: the one who asked first may give up, the others still want it.
                return await asyncio.shield(starting)
        finally:
            if starting.done() and self._started(starting) is None and self._starting is starting:
                self._starting = None

    def drop(self, client: T | None) -> None:
        """Let the next one start afresh, if *client* is the present one; None never is."""
        if client is not None and self._starting and self._started(self._starting) is client:
            self._starting = None
            self._end(client)

    def forget(self) -> None:
        """Let the next one start afresh, whatever the present one is."""
        if self._starting:
            self.drop(self._started(self._starting))

    async def close(self) -> T | None:
        """Start none any more; returns the present one, which whoever made it ends."""
        starting, self._starting = self._starting, None
        if starting is None:
            return None
        starting.cancel()
        await asyncio.wait({starting})
        return self._started(starting)

    @staticmethod
    def _started(starting: asyncio.Task[T]) -> T | None:
        if not starting.done() or starting.cancelled() or starting.exception():
            return None
        return starting.result()


def unavailable(error: BaseException, server: str) -> LogUnavailableError:
    """What a Kafka error means to a caller, in one line."""
    if isinstance(error, _FORBIDDEN):
        return LogMismatchError(f"Kafka at {server} does not let us: {error}; ask for that right")
    if isinstance(error, IncompatibleBrokerVersion | NotImplementedError):
        return LogMismatchError(f"Kafka at {server} lacks what slugline needs: {error}")
    why = "in time" if isinstance(error, TimeoutError) else f"as it should ({error!r})"
    return LogUnavailableError(f"Kafka at {server} does not answer {why}")


@contextmanager
def contained(server: str) -> Iterator[None]:
    """Raise what aiokafka raises as ours, the cancellations included that it lets escape.

    A client that is ended cancels futures of its own, and whoever waits for one of them would take
    that for an order to stop.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise LogUnavailableError(f"the connection to {server} was closed") from error
    except _FAULTS as error:
        raise unavailable(error, server) from error


async def _end(client: Any, within: float) -> None:
    stopping = asyncio.ensure_future(_goodbye(client))
    await asyncio.wait({stopping}, timeout=within)
    parts = _parts(client)
    # What is left would go on trying for ever: a producer would even deliver when the broker returns.
    left = {stopping, *_tasks_of(parts)}
    for _ in range(CUTS):  # some of its tasks wait for others of them when they are cancelled
        left = {task for task in left if not task.done()}
        if not left:
            break
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.1)
    if stopping.done() and not stopping.cancelled():
        stopping.exception()
    client._closed = True  # its finaliser would complain of a client that could not say goodbye
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await (getattr(client, "client", None) or client._client).close()


async def _goodbye(client: Any) -> None:
    # An abandoned producer must not flush what its callers have given up.
    if not hasattr(client, "client"):
        await (client.stop() if hasattr(client, "stop") else client.close())


def _parts(client: Any) -> list[Any]:
    """The objects inside an aiokafka client that run tasks of their own."""
    names = ("client", "_client", "_sender", "_message_accumulator", "_fetcher", "_coordinator")
    return [part for name in names if (part := getattr(client, name, None)) is not None]


def _tasks_of(parts: list[Any]) -> set[asyncio.Task[Any]]:
    """Running tasks whose coroutine is a method of one of *parts*: aiokafka keeps no list of them."""
    found = set()
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        owner = frame.f_locals.get("self") if frame else None
        if any(owner is part for part in parts):
            found.add(task)
    return found
