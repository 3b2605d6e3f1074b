"""Deliveries per CPU-second: our sender, signing each attempt, against a bare aiohttp client.

`python -m tests.bench.bench_sender [--json FILE] [--quick]`. The aiohttp loop posts bytes that were signed
beforehand, reads the answers and does nothing else. The receiver is another process; rounds are
interleaved; CPU time is the sending process's. Both run on uvloop.
"""

import asyncio
import ssl
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson
import trustme
import uvloop

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, SystemResolver
from slugline_syndicate.deliveries.exchange import Request
from slugline_syndicate.deliveries.sender import Sender, open_sender
from slugline_syndicate.deliveries.signing import signed_headers
from tests.bench.receiving import receiver
from tests.bench.report import Report, Row, command

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENTS, SUBSCRIPTIONS, ROUNDS, QUICK_ROUNDS = 200, 50, 7, 2
TARGETS = {"plain": 2.5, "TLS": 1.8}

Events = list[tuple[str, bytes]]
#: Posts every event to one URL, one after the other.
Post = Callable[[str, Events], Coroutine[None, None, None]]


def events() -> Events:
    """Bodies of 1.5 kB, as an entry of a few paragraphs makes them."""
    text = "The ferry stays in port. " * 52
    return [
        (f"{n:064x}", orjson.dumps({"type": "entry.created", "data": {"n": n, "text": text}}))
        for n in range(EVENTS)
    ]


def ours(sender: Sender) -> Post:
    """What a lane does for an attempt, without the rest of the lane."""

    async def post(url: str, given: Events) -> None:
        for event_id, body in given:
            headers = signed_headers([SECRET], event_id, datetime.now(UTC), body)
            answer = await sender.post(Request(url=url, headers=headers, body=body))
            assert answer.success, answer.error

    return post


def bare(session: aiohttp.ClientSession, signed: Mapping[str, Mapping[str, str]]) -> Post:
    """The least that a webhook sender on aiohttp has to do."""

    async def post(url: str, given: Events) -> None:
        for event_id, body in given:
            async with session.post(
                url, data=body, headers=signed[event_id], allow_redirects=False
            ) as answer:
                await answer.read()
                assert answer.status == 204

    return post


async def cost(post: Post, base: str, given: Events) -> float:
    """Deliveries per CPU-second of one round."""
    before = time.process_time()
    async with asyncio.TaskGroup() as group:
        for n in range(SUBSCRIPTIONS):
            group.create_task(post(f"{base}/{n}", given))
    return EVENTS * SUBSCRIPTIONS / (time.process_time() - before)


async def compare(base: str, transport: str, tls: ssl.SSLContext, rounds: int) -> Row:
    """Both, in turn, against the same receiver."""
    given = events()
    signed = {
        event_id: {
            "Content-Type": "application/json",
            **dict(signed_headers([SECRET], event_id, datetime.now(UTC), body)),
        }
        for event_id, body in given
    }
    guard = EgressGuard((ip_network("127.0.0.0/8"),))
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    async with (
        open_sender(guard, SystemResolver(), SystemClock(), tls=tls) as sender,
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        posts = {"ours": ours(sender), "aiohttp": bare(session, signed)}
        found: dict[str, list[float]] = {name: [] for name in posts}
        for _ in range(rounds):
            for name, post in posts.items():
                found[name].append(await cost(post, base, given))
    medians = {name: statistics.median(values[1:]) for name, values in found.items()}
    ratio = medians["ours"] / medians["aiohttp"]
    return Row(
        name=f"the sender alone, signing, {transport}, to a bare aiohttp loop",
        value=medians["ours"],
        unit="posts per CPU-second",
        baseline=medians["aiohttp"],
        ratio=ratio,
    )


@contextmanager
def certified() -> Iterator[tuple[Path, ssl.SSLContext]]:
    """A certificate for the receiver, and a context that trusts it."""
    with TemporaryDirectory() as folder:
        ca = trustme.CA()
        ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/pem")
        tls = ssl.create_default_context()
        ca.configure_trust(tls)
        yield Path(folder) / "pem", tls


def measure(quick: bool) -> Report:
    """Plain, then TLS."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with certified() as (certificate, tls):
        with receiver() as port:
            plain = uvloop.run(compare(f"http://127.0.0.1:{port}", "plain", tls, rounds))
        with receiver(certificate) as port:
            secure = uvloop.run(compare(f"https://127.0.0.1:{port}", "TLS", tls, rounds))
    return Report([plain, secure])


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
