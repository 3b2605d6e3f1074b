"""Many idle connections, held by a process of its own: `python -m tests.hostile.crowd PORT COUNT [BYTES]`.

Opens COUNT connections, sends BYTES of an unfinished head on each, and says how many of them are open.
Closes them when its standard input ends.
"""

import asyncio
import resource
import socket
import sys

import click

#: Connections that are opened at once: as many as wait to be accepted.
AT_ONCE = 200


async def _open(port: int, start: bytes, turn: asyncio.Semaphore) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    async with turn:
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, start)
    return sock


def _is_open(sock: socket.socket) -> bool:
    """Nothing has come, not even an end."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


async def _hold(port: int, count: int, size: int) -> None:
    start = (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * size)[: size or 0]
    turn = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_open(port, start, turn)) for _ in range(count)]
    held = [task.result() for task in tasks]
    click.echo(f"opened {len(held)}")
    while line := await asyncio.to_thread(sys.stdin.readline):
        assert line == "count\n"
        click.echo(f"open {sum(map(_is_open, held))}")
    for sock in held:
        sock.close()
    click.echo("closed")
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    port, count, *size = map(int, sys.argv[1:])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_hold(port, count, *(size or [0])))
