"""Receivers that mean ill, as scripts for `bad_receiver`: what each does with every connection."""

import asyncio
import gzip

from tests.integration.bad_receiver import Peer, Script, answer, answering

_GIB = 2**30


async def hangs_unread(peer: Peer) -> None:
    """Takes the connection and nothing else."""
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.get_running_loop().create_future()


async def hangs(peer: Peer) -> None:
    """Reads the request and never answers."""
    await peer.request()
    await peer.gone()


def drips(start: bytes) -> Script:
    """Answers with *start*, then a byte at a time, for ever."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(start)
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.05)

    return script


def pours(start: bytes, again: bytes) -> Script:
    """Answers with *start*, then with *again* for ever, as fast as it is taken."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(start)
        while True:
            await peer.say(again)

    return script


def gives(start: bytes, size: int) -> Script:
    """Answers with *start* and *size* bytes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(start)
        for _ in range(size // 65_536):
            await peer.say(bytes(65_536))
        await peer.gone()

    return script


async def resets(peer: Peer) -> None:
    """Breaks off in the middle of the head."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-")
    peer.reset()


async def answers_unread(peer: Peer) -> None:
    """Answers before the request was read, and closes."""
    await peer.head()
    await peer.say(answer(413, "Connection: close"))


async def closes(peer: Peer) -> None:
    """Takes the request and closes."""
    await peer.request()


_OK = b"HTTP/1.1 200 OK\r\n"
_BOMB = gzip.compress(bytes(10_000_000))

#: Those that hold on to a connection until its time is over.
HOLDING: dict[str, Script] = {
    "hangs-unread": hangs_unread,
    "hangs": hangs,
    "drips-status": drips(b"HTTP/1.1 200 "),
    "drips-headers": drips(_OK + b"X: "),
    "drips-body": drips(_OK + b"Content-Length: 9999\r\n\r\n"),
    "drips-interim": drips(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "),
}

#: Those that are over soon, with what an attempt says of each: its status, and how its error begins.
SHORT: dict[str, tuple[Script, int | None, str]] = {
    "endless-body": (pours(_OK + b"\r\n", bytes(65_536)), 200, ""),
    "a-gib": (gives(_OK + f"Content-Length: {_GIB}\r\n\r\n".encode(), _GIB), 200, ""),
    "a-gib-in-chunks": (pours(_OK + b"Transfer-Encoding: chunked\r\n\r\n",
                              b"10000\r\n" + bytes(65_536) + b"\r\n"), 200, ""),
    "a-gib-and-500": (gives(f"HTTP/1.1 500 No\r\nContent-Length: {_GIB}\r\n\r\n".encode(), _GIB), 500, ""),
    "a-bomb": (answering(answer(200, "Content-Encoding: gzip", body=_BOMB)), 200, ""),
    "endless-headers": (pours(_OK, b"X: 1\r\n" * 1_000), None, "protocol: more than 32768 bytes"),
    "endless-header": (pours(_OK + b"X: ", b"x" * 65_536), None, "protocol: more than 32768 bytes"),
    "endless-interim": (pours(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 99), None,
                        "protocol: more than 32768 bytes"),
    "garbage": (pours(b"", bytes(65_536)), None, "protocol: not an HTTP answer"),
    "resets": (resets, None, "lost: the connection was reset"),
    "closes": (closes, None, "lost: the connection was closed"),
    "answers-unread": (answers_unread, 413, ""),
    "metadata": (answering(answer(307, "Location: http://169.254.169.254/latest/meta-data/")), 307, ""),
}  # fmt: skip
