"""One service in a process of its own: `python -m tests.hostile.serve ingest|syndicate FOLDER FILES`.

On the loop that services run on, with at most FILES open files. Says its port, then serves until it
is ended.
"""

import asyncio
import resource
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import click
import uvloop

from tests.integration.ingest_service import ingest_in
from tests.integration.syndicate_service import syndicate


async def _serve(name: str, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        if name == "ingest":
            url = (await stack.enter_async_context(ingest_in(folder))).url
        else:
            url = (await stack.enter_async_context(syndicate(folder))).base
        click.echo(f"port {url.rpartition(':')[2]}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, name, folder, files = sys.argv
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), hard))
    uvloop.run(_serve(name, Path(folder)))
