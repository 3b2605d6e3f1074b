"""How much later webhooks arrive while one endpoint of two hundred misbehaves, to none doing so.

`python -m tests.bench.bench_hostile [--json FILE] [--quick]`. A whole syndicate on
the embedded log, 199 subscriptions whose endpoint answers at once and one that misbehaves, 20 events
published each second: how long from the call that publishes to the arrival of the request. The
baseline is the same with 200 endpoints that behave. Each round is a new installation; rounds of all
kinds are interleaved, and the median over them counts. Receivers are other processes; all is on uvloop.
"""

import asyncio
import multiprocessing
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import uvloop

from slugline.events import encode
from tests.bench.report import Report, Row, command
from tests.builders import an_entry, an_event
from tests.hostile.tempers import HOLDING, SHORT
from tests.integration.bad_receiver import Script, receiving
from tests.integration.syndicate_service import Service, syndicate

SUBSCRIPTIONS, RATE = 200, 20
#: How long a round publishes, and how many of each kind there are.
SECONDS, ROUNDS = 15.0, 3
#: Events before those that count.
WARM_UP = 20
#: The others may be this much later.
TARGET = 1.1

TEMPERS: dict[str, Script] = {
    "hangs": HOLDING["hangs"],
    "drips": HOLDING["drips-body"],
    "answers without end": SHORT["endless-body"][0],
}

_HEAD = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ID = re.compile(rb"webhook-id: ([0-9a-f]+)", re.IGNORECASE)

#: When a request with this id arrived, in seconds of the machine's monotonic clock.
Arrivals = list[tuple[str, float]]


# --- receivers, in processes of their own ---------------------------------------------------------------


class _Noting(asyncio.Protocol):
    """Answers 204 to everything, and notes when it came."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length, name = _HEAD.search(self._data, 0, end), _ID.search(self._data, 0, end)
            assert length is not None
            assert name is not None
            whole = end + 4 + int(length[1])
            if len(self._data) < whole:
                return
            self._arrivals.append((name[1].decode(), time.monotonic()))
            self._data = self._data[whole:]
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def _note(pipe: Connection) -> None:
    arrivals: Arrivals = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Noting(arrivals), "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    while await asyncio.to_thread(pipe.recv):
        pipe.send(list(arrivals))
        arrivals.clear()


async def _misbehave(pipe: Connection, temper: str) -> None:
    async with receiving(TEMPERS[temper]) as receiver:
        pipe.send(receiver.port)
        await asyncio.to_thread(pipe.recv)


def _run(pipe: Connection, temper: str) -> None:
    if temper:
        asyncio.run(_misbehave(pipe, temper))
    else:
        uvloop.run(_note(pipe))


@contextmanager
def a_receiver(temper: str = "") -> Iterator[tuple[str, Connection]]:
    """Its address, and a pipe that gives the arrivals for a word. *temper*: one that misbehaves."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(theirs, temper), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/hook", ours
    finally:
        process.terminate()
        process.join()


# --- rounds ---------------------------------------------------------------------------------------------


async def one_round(good: str, pipe: Connection, other: str, seconds: float) -> list[float]:
    """How late each delivery to *good* was, in seconds, beside one subscription of *other*."""
    with TemporaryDirectory() as folder:
        async with syndicate(Path(folder)) as service:
            urls = [f"{good}?n={n}" for n in range(SUBSCRIPTIONS - 1)]
            await asyncio.gather(*(service.subscribe(url) for url in [*urls, f"{other}?n=last"]))
            await published(service, "w", WARM_UP)
            times = await published(service, "e", round(seconds * RATE))
            return await all_late(pipe, times)


async def published(service: Service, name: str, count: int) -> dict[str, float]:
    """When each of *count* events was published, by its id; 20 of them each second."""
    text = "The ferry stays in port. " * 35
    times: dict[str, float] = {}
    start = time.monotonic()
    for n in range(count):
        await asyncio.sleep(max(0.0, start + n / RATE - time.monotonic()))
        blog = f"blog-{n % 12}"
        event = an_event(an_entry(f"{name}{n}", blog, body_html=f"<p>{text}</p>", body_text=text))
        times[event.id] = time.monotonic()
        await service.log.publish([encode(event)])
    return times


async def all_late(pipe: Connection, times: dict[str, float]) -> list[float]:
    """How late the 199 others got what was published at *times*, once all of them have it."""
    late: list[float] = []
    async with asyncio.timeout(60):
        while len(late) < len(times) * (SUBSCRIPTIONS - 1):
            await asyncio.sleep(0.2)
            pipe.send("arrivals")
            came: Arrivals = await asyncio.to_thread(pipe.recv)
            late += [when - times[name] for name, when in came if name in times]
    return late


def measure(quick: bool) -> Report:
    """All kinds of rounds in turn."""
    seconds, rounds = (3.0, 1) if quick else (SECONDS, ROUNDS)
    found: dict[str, list[list[float]]] = {"": [], **{temper: [] for temper in TEMPERS}}
    with a_receiver() as (good, pipe):
        for _ in range(rounds):
            for temper, late in found.items():
                if temper:
                    with a_receiver(temper) as (bad, _):
                        late.append(uvloop.run(one_round(good, pipe, bad, seconds)))
                else:
                    late.append(uvloop.run(one_round(good, pipe, good, seconds)))
    return Report(
        [row_of(temper, cut, found[temper], found[""]) for temper in TEMPERS for cut in (50, 99)]
    )


def row_of(temper: str, cut: int, late: list[list[float]], calm: list[list[float]]) -> Row:
    value, baseline = percentile(late, cut), percentile(calm, cut)
    return Row(
        name=f"p{cut} of published → received beside one endpoint that {temper}, to none",
        value=value,
        unit="ms",
        baseline=baseline,
        ratio=value / baseline,
        target=TARGET,
        lower=True,
    )


def percentile(rounds: Sequence[list[float]], cut: int) -> float:
    """In milliseconds, the median of the rounds."""
    return statistics.median(statistics.quantiles(late, n=100)[cut - 1] * 1000 for late in rounds)


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
