"""The partitioner agrees with Kafka's."""

import pytest

from slugline.log.partition import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    [  # from org.apache.kafka.common.utils.UtilsTest
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_a_partition_is_taken_from_the_positive_hash() -> None:
    assert {partition_for(str(n).encode(), 12) for n in range(500)} == set(range(12))
