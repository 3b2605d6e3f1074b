"""Logs that people read on a terminal and machines elsewhere, and the metrics of both services."""

import logging
import sys
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from slugline.settings import Settings


def set_up_logging(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """One line per fact to *stream*: coloured text on a terminal, JSON elsewhere."""
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if not console else "%H:%M:%S"),
            structlog.processors.format_exc_info if not console else _as_it_is,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, settings.log_level.upper())
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def _as_it_is(_: Any, __: str, event: Any) -> Any:
    return event


class Metrics:
    """Every metric, in a registry of its own: made once per process, passed to what counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        #: Entry and blog events accepted, by type.
        self.events = Counter(
            "slugline_events", "Events accepted", ["type"], registry=self.registry
        )
        #: Polls of sources by outcome: published, unchanged, not-modified, no-entries, or the trouble.
        self.polls = Counter(
            "slugline_polls", "Polls of sources by outcome", ["outcome"], registry=self.registry
        )
        #: Deliveries by how they went: delivered, refused, trouble, our_fault, dead, superseded, gap.
        self.deliveries = Counter(
            "slugline_deliveries", "Deliveries by outcome", ["outcome"], registry=self.registry
        )
        #: Duration of attempts that were answered.
        self.attempt_seconds = Histogram(
            "slugline_attempt_seconds", "Answered attempts", registry=self.registry
        )
        #: How long the oldest event that waits for a delivery has waited: the one to alarm on.
        self.oldest_undelivered = Gauge(
            "slugline_oldest_undelivered_seconds",
            "Age of the oldest event that waits for an active subscription",
            registry=self.registry,
        )
        #: Subscriptions by state: active, waiting, paused, disabled.
        self.subscriptions = Gauge(
            "slugline_subscriptions", "Subscriptions by state", ["state"], registry=self.registry
        )
        #: Partitions of the cursors that this process owns.
        self.owned_partitions = Gauge(
            "slugline_owned_partitions", "Partitions owned", registry=self.registry
        )
        #: Feed documents rendered, by format.
        self.renders = Counter(
            "slugline_feed_renders", "Feed documents rendered", ["format"], registry=self.registry
        )
        #: Feed requests by answer: 200, 304.
        self.feed_requests = Counter(
            "slugline_feed_requests", "Feed requests", ["format", "status"], registry=self.registry
        )
        #: Entries that could not be rendered and were left out of a feed.
        self.render_failures = Counter(
            "slugline_render_failures", "Entries left out of feeds", registry=self.registry
        )
