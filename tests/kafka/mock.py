"""librdkafka's mock cluster: Kafka's wire protocol in this process, on a machine with only Python.

It knows no admin requests, compaction, deletion or disk, refuses nothing, and makes topics that are
asked for. What it cannot do is listed in `tests/contract/harness.py`.
"""

import asyncio
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator

from slugline.log.kafka_connection import Timing

#: The mock wakes no waiting fetch, and takes sessions that a real broker would refuse as too short.
TIMING = Timing(fetch_wait=0.02, session=2.0, heartbeat=0.2)

_FETCH = 1
_REQUEST_TIMED_OUT = 7


class MockCluster:
    """One broker. Made by `mock_cluster`."""

    def __init__(self) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(512)
        conf = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(conf, b"log_level", b"3", error, 512)
        self._handle = self._library.rd_kafka_new(0, conf, error, 512)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        servers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.servers = servers.decode()
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    def make(self, topic: str, partitions: int) -> None:
        """Make *topic*, as no client can."""
        self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)

    def fail_fetches(self, number: int) -> None:
        """Answer the next *number* fetches with an error that clients try again."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, _FETCH)
        errors = (ctypes.c_int * number)(*[_REQUEST_TIMED_OUT] * number)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, _FETCH, number, errors)

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """A fresh cluster."""
    cluster = MockCluster()
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockCluster]:
    """A fresh cluster, which two members of one group can share.

    When a leader's assignment arrives before the others ask for theirs, the mock ends the round and
    refuses them. So the leader waits a moment here.
    """
    original = GroupCoordinator._perform_assignment

    async def patient(self: Any, response: Any) -> Any:
        await asyncio.sleep(0.1)
        return await original(self, response)

    monkeypatch.setattr(GroupCoordinator, "_perform_assignment", patient)
    with mock_cluster() as cluster:
        yield cluster


def _library() -> Any:
    """librdkafka as the wheel of confluent-kafka brings it; its mock is not in the Python API."""
    confluent_kafka.libversion()
    package = Path(confluent_kafka.__file__).parent
    linux, mac = package.parent / "confluent_kafka.libs", package / ".dylibs"
    found = [*linux.glob("librdkafka-*.so*"), *mac.glob("librdkafka*.dylib")]
    library = ctypes.CDLL(str(found[0]))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.rd_kafka_conf_new.restype = pointer
    library.rd_kafka_conf_set.argtypes = [
        pointer,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_new.argtypes = [number, pointer, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [pointer]
    library.rd_kafka_mock_cluster_new.restype = pointer
    library.rd_kafka_mock_cluster_new.argtypes = [pointer, number]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    library.rd_kafka_mock_cluster_destroy.argtypes = [pointer]
    library.rd_kafka_mock_topic_create.argtypes = [pointer, ctypes.c_char_p, number, number]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    library.rd_kafka_mock_clear_request_errors.argtypes = [pointer, ctypes.c_int16]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        pointer,
        ctypes.c_int16,
        ctypes.c_size_t,
        pointer,
    ]
    return library
