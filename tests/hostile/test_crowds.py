"""Ten thousand connections to each service, and more than there is room for. Both are processes."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.hostile.raw import answers_others, said, statuses

pytestmark = pytest.mark.slow

CROWD = 10_000
#: What an idle connection may cost a service, in bytes; 5,400 were seen, 5,900 in the middle of a head.
EACH = 12_000
#: Nothing is timed; this only keeps a fault from hanging the suite, in seconds.
PATIENCE = 120.0

Process = asyncio.subprocess.Process


@asynccontextmanager
async def running(module: str, *arguments: object) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"tests.hostile.{module}", *map(str, arguments)),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def told(process: Process, word: str) -> int:
    """The number after *word*, once the process says it."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stdout.readline()).decode():
            if line.startswith(word):
                return int(line.split()[1]) if " " in line else 0
    raise AssertionError(f"it ended without saying {word!r}")


async def still_open(crowd: Process) -> int:
    """How many of the connections of *crowd* the service has not closed."""
    assert crowd.stdin is not None
    crowd.stdin.write(b"count\n")
    return await told(crowd, "open ")


def resident(process: Process) -> int:
    """Its memory in bytes, as the system counts it."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def open_files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


@pytest.fixture(params=["ingest", "syndicate"])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def files() -> int:
    """Open files that a process may have here: ten thousand connections are a third less than that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CROWD * 4 // 3 + 500
    if 0 <= most < needed:
        pytest.fail(f"{most} open files are allowed here; run this with 'ulimit -Hn {needed}'")
    return needed if most == resource.RLIM_INFINITY else most


async def test_beside_ten_thousand_idle_connections_others_are_answered(
    name: str, files: int, tmp_path: Path
) -> None:
    """And memory is bounded, and given back to those who come next."""
    async with running("serve", name, tmp_path, files) as service:
        port = await told(service, "port")
        assert await answers_others(port)
        before, files_before = resident(service), open_files(service)
        grown = []
        for size in (0, 40):
            async with running("crowd", port, CROWD, size) as crowd:
                assert await told(crowd, "opened") == CROWD
                for _ in range(50):
                    assert await answers_others(port)
                assert await still_open(crowd) == CROWD
                grown.append(resident(service) - before)
            async with asyncio.timeout(PATIENCE):
                while open_files(service) > files_before:
                    assert await answers_others(port)
    assert max(grown) < CROWD * EACH
    assert grown[1] < grown[0] * 1.5


async def test_beyond_the_room_for_connections_the_service_keeps_files_for_itself(
    name: str, tmp_path: Path
) -> None:
    """Who comes then is told so; who is there is answered, and so are all when some have gone."""
    async with running("serve", name, tmp_path, 256) as service:
        port = await told(service, "port")
        files_before = open_files(service)
        async with running("crowd", port, 1_000) as crowd:
            assert await told(crowd, "opened") == 1_000
            async with asyncio.timeout(PATIENCE):
                while await still_open(crowd) != 256 * 3 // 4:
                    pass  # those at the end of the queue are not told yet
            assert open_files(service) < 256 - 20
            assert statuses(await said(port, b"")) == [503]
        async with asyncio.timeout(PATIENCE):
            while open_files(service) > files_before:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert await answers_others(port)


FILES = """
import resource
from slugline_cli.process import run_until_stopped

async def main(stop):
    print("files", *resource.getrlimit(resource.RLIMIT_NOFILE))

run_until_stopped(main)
"""


async def test_a_process_may_open_as_many_files_as_the_system_lets_it() -> None:
    """Shells begin with a lower limit."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'ulimit -Sn 256; exec "$0" -c "$1"', sys.executable, FILES),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    _, soft, hard = out.decode().split()
    assert soft == hard != "256"
