"""Serving an application on a port."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from slugline.errors import SettingsError
from slugline.web.problems import MAX_BODY, problems

#: How long requests under way may take when the process stops, in seconds.
GRACE = 5.0


def make_application() -> web.Application:
    """An empty application with the limits and the error answers that every one of ours has."""
    # aiohttp refuses at or over its limit, as its version has it; `read_bytes` draws ours exactly.
    return web.Application(middlewares=[problems], client_max_size=MAX_BODY + 1)


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve *app* while the context is open; yields the port (of use where *port* is 0).

    Raises SettingsError where the port cannot be had.
    """
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=GRACE, handle_signals=False, keepalive_timeout=75
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(_why(error, host, port)) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what runs there, or choose another port"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights: choose one above 1023"
    return f"cannot serve on {host}:{port}: {error.strerror or error}"
