"""Schedule: when a source is polled next. Pure."""

from datetime import timedelta

#: However often a source fails, it is asked again after this, in seconds.
LONGEST = 900.0

#: Doubling that often goes beyond the longest from any interval.
_MOST_DOUBLINGS = 10


def after_success(interval: float, took: float) -> float:
    """Seconds from the end of a poll that *took* so long to the next: the interval counts from its start."""
    return max(0.0, interval - took)


def after_failure(interval: float, failures: int, retry_after: timedelta | None) -> float:
    """Seconds from the end of the last of so many *failures* in a row to the next poll.

    The interval, doubled with each, up to 15 minutes; what the server asked for, where it is longer.
    """
    doubled = interval * 2.0 ** min(failures, _MOST_DOUBLINGS)
    asked = retry_after.total_seconds() if retry_after else 0.0
    return max(interval, min(doubled, LONGEST), asked)
