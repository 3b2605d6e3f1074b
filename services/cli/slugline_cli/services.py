"""The services of a process, composed: a log, a view that follows it, and what serves from that."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from slugline.clock import Clock
from slugline.errors import LogMismatchError, LogUnavailableError, SettingsError
from slugline.log import Log
from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.view import Projection, View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.server import serving
from slugline_cli.engines import watch
from slugline_cli.process import first_of, working
from slugline_cli.progress import until_read
from slugline_ingest.app import make_ingest
from slugline_ingest.sources.projection import SourcesView
from slugline_syndicate.app import open_syndicate
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.sealing import Sealer
from slugline_syndicate.installation import make_sure

Worker = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Role:
    """Which services a process is. *name* is in the name of its view's file."""

    name: str
    ingest: bool
    syndicate: bool


BOTH = Role("run", ingest=True, syndicate=True)
INGEST = Role("ingest", ingest=True, syndicate=False)
SYNDICATE = Role("syndicate", ingest=False, syndicate=True)


def view_path(settings: Settings, role: Role) -> Path:
    """The view of a process in *role*."""
    return settings.data_dir / f"view-{role.name}.db"


@dataclass(frozen=True, slots=True)
class Projections:
    """What processes keep in their views."""

    entries: EntriesView
    sources: SourcesView
    deliveries: DeliveryViews

    @classmethod
    def make(cls) -> Self:
        """Fresh ones, to be given to a view."""
        return cls(EntriesView(), SourcesView(), DeliveryViews.make())

    def of(self, role: Role) -> list[Projection]:
        """Those that a process in *role* needs."""
        ingest = [self.sources] if role.ingest else []
        syndicate = self.deliveries.all if role.syndicate else ()
        return [self.entries, *ingest, *syndicate]


@asynccontextmanager
async def services(
    role: Role, settings: Settings, log: Log, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[None]:
    """The services of *role* at work while the context is open; entered once they are ready.

    Ready, or stopped by *stop* before that, or with a log that is away: then they become ready
    when it is back.
    """
    metrics = Metrics()
    kept = Projections.make()
    path = view_path(settings, role)
    async with AsyncExitStack() as stack:
        stack.enter_context(alone(path))
        view = stack.enter_context(closing(View(path, kept.of(role), clock)))
        tail = Tail(log, view, clock)
        _follow(tail, metrics)
        workers: list[Worker] = [tail.run]
        apps: list[tuple[web.Application, int]] = []
        if role.ingest:
            ingest = make_ingest(settings, log, kept.entries, kept.sources, tail, clock, metrics)
            workers += [ingest.poller.run, ingest.mender.run]
            apps.append((ingest.app, settings.ingest_port))
        if role.syndicate:
            syndicate = await stack.enter_async_context(
                open_syndicate(
                    settings, log, view, kept.entries, kept.deliveries, tail, clock, metrics
                )
            )
            workers.append(syndicate.deliveries.run)
            apps.append((syndicate.app, settings.syndicate_port))
        sealer = Sealer(settings.secret_key)
        await stack.enter_async_context(
            working(_work(log, sealer, clock, workers), watch(log, clock))
        )
        for app, port in apps:
            await stack.enter_async_context(serving(app, settings.host, port, len(apps)))
        await first_of(stop.wait(), _until_ready(log, view, tail, clock))
        yield


def _follow(tail: Tail, metrics: Metrics) -> None:
    """Let *metrics* say how far *tail* is, whenever they are asked for."""
    metrics.follow(
        ready=lambda: tail.ready,
        reachable=lambda: tail.reachable,
        undecodable=lambda: tail.undecodable,
    )


async def _until_ready(log: Log, view: View, tail: Tail, clock: Clock) -> None:
    try:
        await until_read(log, view, tail, clock, "Building the view")
    except LogMismatchError:
        raise  # nothing that waiting mends: somebody has to change the log, or the settings
    except LogUnavailableError:
        pass  # the tail has told, and goes on asking


async def _work(log: Log, sealer: Sealer, clock: Clock, workers: Sequence[Worker]) -> None:
    """Once *log* is known to be ours: before that nothing is read from it, so nothing written either."""
    await make_sure(log, sealer, clock)
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker())


@contextmanager
def alone(view: Path) -> Iterator[None]:
    """Keep other processes from the same view. Raises SettingsError where one has it."""
    view.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{view}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"{view} is another process's: give each replica a SLUGLINE_DATA_DIR of its own"
            ) from error
        yield
