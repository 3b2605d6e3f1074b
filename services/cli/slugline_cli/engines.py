"""Which engine of the log the settings name, opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slugline.clock import Clock
from slugline.errors import LogError, SettingsError
from slugline.log import Log
from slugline.log.kafka import KafkaLog, open_kafka_log
from slugline.log.kafka_connection import Security
from slugline.log.sqlite import open_log
from slugline.settings import Settings

#: How often it is looked whether the log still gets anywhere, in seconds.
WATCH = 5.0


class LogStuckError(LogError):
    """The log can be asked, but not read, and that does not mend itself."""


@asynccontextmanager
async def open_engine(settings: Settings, clock: Clock) -> AsyncIterator[Log]:
    """The log that *settings* name, for reading and writing."""
    async with (
        open_kafka(settings, clock)
        if settings.kafka_servers
        else open_log(settings.log_path, clock)
    ) as log:
        yield log


@asynccontextmanager
async def log_to_read(settings: Settings, clock: Clock) -> AsyncIterator[Log]:
    """The log that *settings* name, for reading; also while a service writes to it."""
    require_log(settings)
    async with (
        open_kafka(settings, clock)
        if settings.kafka_servers
        else open_log(settings.log_path, clock, read_only=True)
    ) as log:
        yield log


@asynccontextmanager
async def open_kafka(settings: Settings, clock: Clock) -> AsyncIterator[KafkaLog]:
    """The log on Kafka that *settings* name."""
    security = Security(
        tls=settings.kafka_tls,
        ca_file=settings.kafka_ca_file,
        certificate_file=settings.kafka_certificate_file,
        key_file=settings.kafka_key_file,
        mechanism=settings.kafka_sasl,
        username=settings.kafka_username,
        password=settings.kafka_password,
    )
    async with open_kafka_log(
        settings.kafka_servers,
        clock,
        prefix=settings.kafka_prefix,
        security=security,
        flush=settings.kafka_flush,
    ) as log:
        yield log


def require_log(settings: Settings) -> None:
    """Raise SettingsError unless there is a log where *settings* say (Kafka answers for itself)."""
    if not settings.kafka_servers and not settings.log_path.exists():
        raise SettingsError(
            f"there is no log at {settings.log_path}: start 'slugline run' once, or name its folder with --data"
        )


async def watch(log: Log, clock: Clock) -> None:
    """Raise LogStuckError once the log gets nowhere, so that a supervisor starts us anew."""
    while not (isinstance(log, KafkaLog) and log.stuck):
        await clock.sleep(WATCH)
    raise LogStuckError("nothing can be read from Kafka although it answers: starting anew helps")
