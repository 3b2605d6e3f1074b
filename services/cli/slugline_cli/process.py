"""A process from its start to its end: the event loop, and the signals that stop it."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
import uvloop

#: How long a clean stop may take, in seconds; after that the process ends as it is.
STOP_WITHIN = 20.0

logger = structlog.get_logger()


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run *main* with an event that SIGINT and SIGTERM set. A second signal ends the process at once."""

    async def guarded() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, stop, number)
        await main(stop)

    _allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(guarded())


def _allow_many_files() -> None:
    """Open as many files as we may: every connection is one, and shells begin with 256 or 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name more than they give
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop(stop: asyncio.Event, number: signal.Signals) -> None:
    if stop.is_set():
        os._exit(128 + number)
    logger.info("service.stopping", signal=number.name)
    stop.set()
    asyncio.get_running_loop().call_later(STOP_WITHIN, _give_up)


def _give_up() -> None:
    logger.error("service.stop_forced", seconds=STOP_WITHIN)
    os._exit(1)


@asynccontextmanager
async def working(*workers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run *workers* while the context is open. One that fails ends the context, and so the process."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker) for worker in workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def first_of(*waits: Awaitable[Any]) -> None:
    """Wait until one of *waits* is over; cancel the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
