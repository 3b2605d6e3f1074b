"""Logs that people read on a terminal and machines elsewhere, and the metrics of both services."""

import logging
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from slugline.settings import Settings


def set_up_logging(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """One line per fact to *stream*: coloured text on a terminal, JSON elsewhere.

    What libraries log through the standard library comes out the same way, from warnings on.
    """
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso"),
    ]
    renderer: list[Any] = (
        # Plain: structlog's own way shows local variables too, and secrets among them.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, settings.log_level.upper())
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _take_over_the_standard_library(shared, renderer, stream)


def _take_over_the_standard_library(shared: list[Any], renderer: list[Any], stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class Tally(Collector):
    """A counter with one label, for what is counted with every delivery.

    A plain number each, put into Prometheus' shape when it is asked for: the library's own counters
    cost a lock and five calls each time, and are safe for threads, which nothing here needs.
    """

    def __init__(self, name: str, about: str, label: str) -> None:
        self._name = name
        self._about = about
        self._label = label
        self._counts: defaultdict[str, int] = defaultdict(int)

    def count(self, value: str) -> None:
        """One more with *value* for the label."""
        self._counts[value] += 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._about, labels=[self._label])
        for value, count in self._counts.items():
            family.add_metric([value], count)
        yield family


class Durations(Collector):
    """A histogram of seconds; why it is not the library's: as `Tally`."""

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self._bounds = Histogram.DEFAULT_BUCKETS
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """One that took *seconds*."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        buckets = list(
            zip(map(floatToGoString, self._bounds), accumulate(self._counts), strict=True)
        )
        yield HistogramMetricFamily(self._name, self._about, buckets=buckets, sum_value=self._sum)


class Metrics:
    """Every metric, in a registry of its own: made once per process, passed to what counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        #: Entry and blog events accepted, by type.
        self.events = counter("slugline_events", "Events accepted", ["type"])
        #: Polls of sources by outcome: published, unchanged, not-modified, no-entries, or the trouble.
        self.polls = counter("slugline_polls", "Polls of sources by outcome", ["outcome"])
        #: Deliveries by how they went: delivered, refused, trouble, our_fault, dead, superseded, gap.
        self.deliveries = Tally("slugline_deliveries", "Deliveries by outcome", "outcome")
        self.registry.register(self.deliveries)
        #: Duration of attempts, answered or not.
        self.attempt_seconds = Durations("slugline_attempt_seconds", "Attempts")
        self.registry.register(self.attempt_seconds)
        #: How long the oldest event that waits for a delivery has waited: the one to alarm on.
        self.oldest_undelivered = gauge(
            "slugline_oldest_undelivered_seconds",
            "Age of the oldest event that waits for a subscription that is neither paused nor disabled",
        )
        #: Subscriptions by state: active, waiting, paused, disabled.
        self.subscriptions = gauge("slugline_subscriptions", "Subscriptions by state", ["state"])
        #: Partitions of the cursors that this process owns.
        self.owned_partitions = gauge("slugline_owned_partitions", "Partitions owned")
        #: Feed documents rendered, by format.
        self.renders = counter("slugline_feed_renders", "Feed documents rendered", ["format"])
        #: Feed requests by answer: 200, 304.
        self.feed_requests = counter(
            "slugline_feed_requests", "Feed requests", ["format", "status"]
        )
        #: Entries that could not be rendered and were left out of a feed.
        self.render_failures = counter("slugline_render_failures", "Entries left out of feeds")

    def follow(
        self,
        *,
        ready: Callable[[], bool],
        reachable: Callable[[], bool],
        undecodable: Callable[[], int],
    ) -> None:
        """Show the state of the process's view, asked for at each scrape."""
        for name, about, state in (
            ("slugline_ready", "1: the view was built, requests are answered", ready),
            ("slugline_log_reachable", "1: the log answers", reachable),
            ("slugline_undecodable_records", "Records that could not be read", undecodable),
        ):
            Gauge(name, about, registry=self.registry).set_function(partial(_number, state))


def _number(state: Callable[[], int]) -> float:
    return float(state())
