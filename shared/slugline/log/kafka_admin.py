"""Making, describing and changing topics on Kafka."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, for_code

from slugline.clock import Clock
from slugline.errors import LogMismatchError, LogUnavailableError
from slugline.log import TopicSpec
from slugline.log.kafka_connection import Connection, contained
from slugline.log.kafka_topics import Difference, TopicState, differences, in_words, settings_of

#: How long one piece of work on topics may take, in seconds.
WORK = 20.0
#: How often new topics are looked for, in seconds.
LOOK = 0.05

_ALREADY_EXISTS = 36
#: Where a setting comes from: set on the topic itself (DescribeConfigs).
_SET_ON_TOPIC = 1

logger = structlog.get_logger()


class Topics:
    """The topics whose names begin with *prefix*. *flush*: see `settings_of`."""

    def __init__(self, connection: Connection, clock: Clock, prefix: str, *, flush: bool) -> None:
        self._connection = connection
        self._clock = clock
        self._prefix = prefix
        #: Other logs may have a longer prefix that begins like ours.
        self._ours = re.compile(re.escape(prefix) + r"[a-z-]+\.v\d+")
        self._flush = flush

    async def counts(self) -> dict[str, int]:
        """How many partitions each topic has. Raises LogUnavailableError."""
        async with self._client(self._connection.timing.answer) as client:
            return await self._counts(client)

    async def ensure(self, specs: Mapping[str, TopicSpec], partitions: int) -> None:
        """Make the topics of *specs* (by name on Kafka) that do not exist.

        Raises LogMismatchError where one exists with other partitions or settings; none is changed.
        """
        async with self._client() as client:
            counts = await self._counts(client)
            number = self._fixed(counts, partitions)
            missing = {name: spec for name, spec in specs.items() if name not in counts}
            if missing:
                await self._make(client, missing, number)
                number = self._fixed(await self._usable(client, missing), number)
            found = await self._compare(client, specs, number)
        if found:
            raise LogMismatchError(
                f"topics on Kafka are not as they should be ({in_words(found)}): nothing was"
                " changed; look at `slugline topics diff`"
            )

    async def compare(self, specs: Mapping[str, TopicSpec], partitions: int) -> list[Difference]:
        """How the topics differ from *specs*; *partitions* counts only where there is none yet."""
        async with self._client() as client:
            counts = await self._counts(client)
            return await self._compare(client, specs, self._usual(counts, partitions))

    async def change_settings(self, specs: Mapping[str, TopicSpec]) -> None:
        """Give existing topics the settings of *specs*, and leave their other settings alone."""
        async with self._client() as client:
            counts = await self._counts(client)
            for name, spec in specs.items():
                if name in counts:
                    entries = (await self._settings(client, {name: None}))[name]
                    own = {key: value for key, (value, own) in entries.items() if own}
                    # Kafka replaces the whole set: what is not named here is reset.
                    wanted = {**own, **settings_of(spec, flush=self._flush)}
                    await self._alter(client, name, wanted)

    # --- inside -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _client(self, within: float = WORK) -> AsyncIterator[Any]:
        with contained(self._connection.servers):
            async with asyncio.timeout(within):
                client = await self._connection.start(AIOKafkaAdminClient)
                try:
                    yield client
                finally:
                    self._connection.end(client)

    async def _counts(self, client: Any) -> dict[str, int]:
        # All of them, because asking for one by name would make it where brokers allow that.
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in await client.describe_topics()
            if topic["topic"].startswith(self._prefix) and not topic["error_code"]
        }

    def _fixed(self, counts: Mapping[str, int], partitions: int) -> int:
        """How many partitions topics have here: as many as those that exist."""
        ours = {name: count for name, count in counts.items() if self._ours.fullmatch(name)}
        if len(set(ours.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in sorted(ours.items()))
            raise LogMismatchError(
                f"topics {self._prefix}* differ in their numbers of partitions ({listed}):"
                " they must have the same; use another prefix, or copy the log to a new one"
            )
        return self._usual(counts, partitions)

    def _usual(self, counts: Mapping[str, int], partitions: int) -> int:
        numbers = [count for name, count in counts.items() if self._ours.fullmatch(name)]
        return max(set(numbers), key=numbers.count) if numbers else partitions

    async def _make(self, client: Any, specs: Mapping[str, TopicSpec], partitions: int) -> None:
        # As many replicas as the broker makes by default; aiokafka takes that (-1) only beside a list.
        new = [
            NewTopic(name, partitions, -1, {}, settings_of(spec, flush=self._flush))
            for name, spec in specs.items()
        ]
        answer = await client.create_topics(new)
        for name, code, *message in answer.topic_errors:
            if code == _ALREADY_EXISTS:
                continue  # another process was first: as good
            if code:
                why = (message and message[0]) or for_code(code).__name__
                raise LogMismatchError(f"Kafka does not make the topic {name}: {why}")
            logger.info("topic.made", topic=name, partitions=partitions)

    async def _usable(self, client: Any, specs: Mapping[str, TopicSpec]) -> dict[str, int]:
        """Wait until every topic has a leader for each of its partitions; the counts then."""
        while True:
            topics = await client.describe_topics()
            ready = {
                topic["topic"]
                for topic in topics
                if not topic["error_code"] and all(p["leader"] >= 0 for p in topic["partitions"])
            }
            if ready >= set(specs):
                return await self._counts(client)
            await self._clock.sleep(LOOK)

    async def _compare(
        self, client: Any, specs: Mapping[str, TopicSpec], partitions: int
    ) -> list[Difference]:
        counts = await self._counts(client)
        asked = {
            name: list(settings_of(spec, flush=self._flush))
            for name, spec in specs.items()
            if name in counts
        }
        settings = await self._settings(client, asked)
        found = {
            name: TopicState(
                partitions=counts[name],
                settings={key: value for key, (value, _) in settings.get(name, {}).items()},
            )
            for name in asked
        }
        return differences(specs, partitions, found, flush=self._flush)

    async def _settings(
        self, client: Any, asked: Mapping[str, Sequence[str] | None]
    ) -> dict[str, dict[str, tuple[str, bool]]]:
        """Each topic's settings (None: all), and whether they were set on the topic itself."""
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, keys and dict.fromkeys(keys))
            for name, keys in asked.items()
        ]
        try:
            answers = await client.describe_configs(resources) if resources else []
        except IncompatibleBrokerVersion:
            return {}  # some that speak Kafka's protocol do not tell: then there is nothing to compare
        found = {}
        for answer in answers:
            for code, message, _, name, entries in answer.resources:
                if code:
                    raise LogUnavailableError(f"Kafka does not describe {name}: {message}")
                found[name] = {e[0]: (e[1], e[3] == _SET_ON_TOPIC) for e in entries}
        return found

    async def _alter(self, client: Any, name: str, settings: Mapping[str, str]) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(settings))
        for answer in await client.alter_configs([resource]):
            for code, message, *_ in answer.resources:
                if code:
                    raise LogMismatchError(f"Kafka does not change {name}: {message}")
        logger.info("topic.changed", topic=name)
