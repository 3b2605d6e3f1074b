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


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether asyncio speaks of something else than of aiokafka's connections.

    Those that aiokafka gives up while they are being opened it leaves to the collector, which closes
    them, and asyncio complains (0.14).
    """
    if "AIOKafkaConnection" not in record.getMessage():
        return True
    _handler.emit(record)
    return False


_users = 0
_handler = QuietHandler()


@contextmanager
def quiet() -> Iterator[None]:
    """While open, aiokafka's lines, and asyncio's about it, come through QuietHandler alone."""
    global _users
    library = logging.getLogger(_NAME)
    if not _users:
        library.addHandler(_handler)
        library.propagate = False
        logging.getLogger("asyncio").addFilter(_is_ours)
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            library.removeHandler(_handler)
            library.propagate = True
            logging.getLogger("asyncio").removeFilter(_is_ours)
