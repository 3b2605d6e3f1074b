"""`slugline run`, both services in one process on the embedded log, killed under load."""

from pathlib import Path

from slugline.clock import SystemClock
from slugline.log.sqlite import open_log
from tests.faults.installation import BLOGS, Replica, installed, secrets_of
from tests.faults.journal import Journal

KILLS = 3


async def test_the_embedded_process_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run-0"
    settings = secrets_of("")
    process = Replica(folder, "run", settings)
    await process.start()
    clock = SystemClock()
    async with (
        open_log(folder / "log.db", clock, read_only=True) as log,
        installed(tmp_path, settings, Journal(log, clock), 1, BLOGS) as installation,
    ):
        installation.replicas.append(process)
        await installation.subscribe_all(6)
        installation.write(rate=40)
        for _ in range(KILLS):
            await installation.partners.more(60)
            await process.kill()
            await process.start()

        assert await installation.settled() == []
