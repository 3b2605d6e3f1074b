"""Serving an application on a port, within bounds that every client has to keep."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from slugline.errors import SettingsError
from slugline.web.bounds import BOUNDS, Bounds
from slugline.web.connections import Connections, request_log, room
from slugline.web.problems import MAX_BODY, problems

#: How long requests under way may take when the process stops, in seconds.
GRACE = 5.0
#: Connections that wait to be accepted; the system may have a lower limit of its own.
BACKLOG = 1024


def make_application(bounds: Bounds | None = None) -> web.Application:
    """An empty application with the bounds and the error answers that every one of ours has."""
    # aiohttp refuses at or over its limit, as its version has it; `read_bytes` draws ours exactly.
    app = web.Application(middlewares=[problems], client_max_size=MAX_BODY + 1)
    app[BOUNDS] = bounds or Bounds()
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int, ports: int = 1) -> AsyncIterator[int]:
    """Serve *app* while the context is open; yields the port (of use where *port* is 0).

    *ports* is how many this process serves in all. Raises SettingsError where it cannot be had.
    """
    bounds = app.get(BOUNDS, Bounds())
    runner = _runner(app, bounds)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - it was set up
    connections = Connections(runner.server, bounds, room(bounds, ports))
    try:
        listener = await _listening(connections, host, port)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        connections.close()
        await runner.cleanup()


def _runner(app: web.Application, bounds: Bounds) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # `read_bytes` does it, and sees to it that nothing is missing
        handle_signals=False,
        keepalive_timeout=bounds.idle,
        lingering_time=bounds.lingering,
        logger=request_log(),
        max_headers=bounds.fields,
        shutdown_timeout=GRACE,
    )


async def _listening(connections: Connections, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(connections, host, port, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(_why(error, host, port)) from error


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what runs there, or choose another port"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights: choose one above 1023"
    return f"cannot serve on {host}:{port}: {error.strerror or error}"
