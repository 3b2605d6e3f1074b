"""What a process wrote itself is not decoded again; and the metrics that are counted with each delivery."""

from prometheus_client import generate_latest

from slugline.telemetry import Metrics
from slugline_syndicate.deliveries.written import MOST, Written


def test_a_number_is_known_once_by_the_exact_bytes() -> None:
    written = Written()
    written.note(b"[1]", 7)

    assert written.take(b"[2]") is None
    assert written.take(b"[1]") == 7
    assert written.take(b"[1]") is None


def test_what_is_never_read_back_does_not_pile_up() -> None:
    written = Written()
    for n in range(MOST + 1):
        written.note(b"%d" % n, n)

    assert written.take(b"0") is None
    assert written.take(b"%d" % MOST) == MOST


def test_deliveries_are_counted_by_outcome_and_attempts_by_duration() -> None:
    metrics = Metrics()
    metrics.deliveries.count("delivered")
    metrics.deliveries.count("delivered")
    metrics.deliveries.count("dead")
    for seconds in (0.005, 0.02, 11.0):
        metrics.attempt_seconds.observe(seconds)

    lines = generate_latest(metrics.registry).decode().splitlines()

    assert 'slugline_deliveries_total{outcome="delivered"} 2.0' in lines
    assert 'slugline_deliveries_total{outcome="dead"} 1.0' in lines
    assert 'slugline_attempt_seconds_bucket{le="0.005"} 1.0' in lines
    assert 'slugline_attempt_seconds_bucket{le="0.025"} 2.0' in lines
    assert 'slugline_attempt_seconds_bucket{le="10.0"} 2.0' in lines
    assert 'slugline_attempt_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "slugline_attempt_seconds_count 3.0" in lines
