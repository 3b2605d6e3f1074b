"""aiokafka's own log, made bearable: in an outage it writes some thirty lines a second per client."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

#: The same line is passed on once in this time, in seconds, with how often it came.
QUIET = 30.0

logger = structlog.get_logger()

_NAME = "aiokafka"


class QuietHandler(logging.Handler):
    """Passes aiokafka's warnings and errors on to our log, each kind of line once in QUIET."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._passed: dict[tuple[str, str], float] = {}
        self._swallowed: dict[tuple[str, str], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.name, str(record.msg))
        if record.created - self._passed.get(kind, 0.0) < QUIET:
            self._swallowed[kind] = self._swallowed.get(kind, 0) + 1
            return
        self._passed[kind] = record.created
        logger.warning(
            "kafka.client",
            message=record.getMessage(),
            module=record.name,
            repeated=self._swallowed.pop(kind, 0),
        )


_users = 0
_handler = QuietHandler()


@contextmanager
def quiet() -> Iterator[None]:
    """While open, aiokafka's lines come through QuietHandler and in no other way."""
    global _users
    library = logging.getLogger(_NAME)
    if not _users:
        library.addHandler(_handler)
        library.propagate = False
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            library.removeHandler(_handler)
            library.propagate = True
