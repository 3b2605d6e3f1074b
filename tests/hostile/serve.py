"""One service in a process of its own: `python -m tests.hostile.serve ingest|syndicate FOLDER FILES`.

On the loop that services run on, with at most FILES open files. Says its port, then serves until it
is ended.
"""

import asyncio
import resource
import sys
from pathlib import Path

import uvloop

from tests.integration.ingest_service import ingest_in
from tests.integration.syndicate_service import syndicate


async def _serve(name: str, folder: Path) -> None:
    opened = ingest_in(folder) if name == "ingest" else syndicate(folder)
    async with opened as service:
        url = service.url if name == "ingest" else service.base  # type: ignore[union-attr]
        print(f"port {url.rpartition(':')[2]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, name, folder, files = sys.argv
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), most))
    uvloop.run(_serve(name, Path(folder)))
