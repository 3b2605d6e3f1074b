"""Receivers that mean ill: what one attempt costs, and that nobody else has to wait."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, SystemResolver
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.http1 import Limits
from slugline_syndicate.deliveries.sender import Sender, open_sender
from tests.hostile.tempers import HOLDING, SHORT
from tests.integration.bad_receiver import Peer, Receiver, Script, answer, answering, receiving
from tests.integration.syndicate_service import LOOPBACK, PATIENCE, Service, syndicate

#: Attempts at once, and what each may need of our memory, in bytes: one read of a socket above all.
ATTEMPTS, EACH = 30, 600_000
BODY = b'{"type":"entry.created"}'
PATIENT = Limits(connect=60, total=60)


@asynccontextmanager
async def sending(limits: Limits) -> AsyncIterator[Sender]:
    guard = EgressGuard(LOOPBACK)
    async with open_sender(guard, SystemResolver(), SystemClock(), limits=limits) as sender:
        yield sender


async def attempts(script: Script, limits: Limits) -> tuple[list[Answer], int]:
    """What came of many attempts at once, and the most memory that they took; no socket is left."""
    async with receiving(script) as receiver:
        files = open_files()
        async with sending(limits) as sender:
            tracemalloc.start()
            request = Request(receiver.url, (), BODY)
            answers = await asyncio.gather(*(sender.post(request) for _ in range(ATTEMPTS)))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        await receiver.end()
    await until(lambda: open_files() <= files)
    return answers, peak


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("temper", SHORT)
async def test_an_attempt_says_what_happened_in_bounded_memory(temper: str) -> None:
    script, status, error = SHORT[temper]
    answers, peak = await attempts(script, PATIENT)
    for found in answers:
        assert found.status == status
        assert (found.error or "").startswith(error)
        assert bool(found.error) == bool(error)
        assert not found.our_fault
    assert peak < ATTEMPTS * EACH


@pytest.mark.parametrize("temper", HOLDING)
async def test_an_attempt_that_is_held_on_to_ends_at_its_time(temper: str) -> None:
    answers, peak = await attempts(HOLDING[temper], replace(PATIENT, total=0.5))
    assert {found.error for found in answers} == {"timeout: no answer within 0.5 s"}
    assert peak < ATTEMPTS * EACH


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"\x16\x03\x03\x00\x7a\x02\x00", "timeout: no connection within 0.5 s"),
        (b"\x16\x03\x03\x00\x7a\x02\x00 and the end", "connect: closed before"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n and the end", "tls: "),
        (b"\x15\x03\x03\x00\x02\x02\x28 and the end", "tls: "),
    ],
    ids=["hangs", "breaks-off", "no-tls", "alert"],
)
async def test_tls_that_goes_wrong_ends_at_its_time_and_says_how(said: bytes, error: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.say(said.removesuffix(b" and the end"))
        if not said.endswith(b" and the end"):
            await peer.gone()

    async with receiving(script) as receiver, sending(replace(PATIENT, connect=0.5)) as sender:
        url = receiver.url.replace("http:", "https:")
        found = await sender.post(Request(url, (), BODY))
    assert (found.error or "").startswith(error)
    assert not found.our_fault


# --- a whole syndicate ------------------------------------------------------------------------------


async def subscribed(service: Service, receiver: Receiver, count: int) -> list[str]:
    """The ids of *count* subscriptions, each with an address of its own at *receiver*."""
    urls = [f"{receiver.url}?n={n}" for n in range(count)]
    made = await asyncio.gather(*(service.subscribe(url) for url in urls))
    return [each["id"] for each in made]


def arrived(receiver: Receiver) -> dict[str, int]:
    """How many requests came to each address."""
    found: dict[str, int] = {}
    for request in receiver.requests:
        found[request.line] = found.get(request.line, 0) + 1
    return found


@pytest.mark.parametrize("temper", [*HOLDING, "endless-body", "endless-headers"])
async def test_while_one_of_two_hundred_misbehaves_the_others_get_everything(
    temper: str, tmp_path: Path
) -> None:
    """None of them waits for it: its first request is not over yet when all of them have all."""
    script = HOLDING[temper] if temper in HOLDING else SHORT[temper][0]
    async with (
        syndicate(tmp_path) as service,
        receiving(answering(answer(204))) as good,
        receiving(script) as bad,
    ):
        await subscribed(service, bad, 1)
        await subscribed(service, good, 199)
        for number in range(5):
            await service.put(f"e{number}", f"blog-{number}")
        await until(lambda: len(arrived(good)) == 199 and min(arrived(good).values()) == 10)
        assert bad.connections
        if temper in HOLDING:
            assert bad.left == 0
            assert bad.connections <= 4


async def test_beside_every_kind_of_misbehaviour_at_once_the_others_get_everything(
    tmp_path: Path,
) -> None:
    """And each subscription's attempts say what its endpoint did."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(syndicate(tmp_path))
        good = await stack.enter_async_context(receiving(answering(answer(204))))
        names = {}
        for temper, (script, *_) in SHORT.items():
            bad = await stack.enter_async_context(receiving(script))
            [names[temper]] = await subscribed(service, bad, 1)
        for script in HOLDING.values():
            await subscribed(service, await stack.enter_async_context(receiving(script)), 1)
        await subscribed(service, good, 20)
        for number in range(5):
            await service.put(f"e{number}", f"blog-{number}")
        await until(lambda: len(arrived(good)) == 20 and min(arrived(good).values()) == 10)
        for temper, (_, status, error) in SHORT.items():
            tried = await service.pages(f"/v1/subscriptions/{names[temper]}/attempts", bool)
            assert {each["status"] for each in tried} == {status}, temper
            assert all((each["error"] or "").startswith(error) for each in tried), temper
