"""Logs: a line per fact, from libraries too, and never a secret."""

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from slugline.settings import Settings
from slugline.telemetry import set_up_logging


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def logged(log_format: str) -> str:
    """What stands in the log after a fact, a line of a library and an exception."""
    stream = io.StringIO()
    set_up_logging(Settings(log_format=log_format), stream)
    structlog.get_logger().info("feed.rendered", blog_id="storm")
    structlog.get_logger().debug("too.much")
    logging.getLogger("asyncio").error("Task %s was lost", "a")
    logging.getLogger("aiohttp").info("too much")
    secret = "whsec_hidden".upper()
    try:
        raise ValueError(f"no {len(secret)}")
    except ValueError:
        structlog.get_logger().exception("lane.failed")
    return stream.getvalue()


def test_programs_get_one_json_object_a_line() -> None:
    lines = [orjson.loads(line) for line in logged("json").splitlines()]

    assert [(line["event"], line["level"]) for line in lines] == [
        ("feed.rendered", "info"),
        ("Task a was lost", "error"),
        ("lane.failed", "error"),
    ]
    assert lines[0]["blog_id"] == "storm"
    assert "ValueError: no 12" in lines[2]["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_shows_no_local_variable(log_format: str) -> None:
    said = logged(log_format)

    assert "ValueError" in said
    assert "WHSEC_HIDDEN" not in said


def test_people_get_no_json() -> None:
    assert not any(line.startswith("{") for line in logged("console").splitlines())
