"""A receiver in a process of its own that costs the sender nothing: it answers 204 to everything."""

import asyncio
import multiprocessing
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Receiver(asyncio.Protocol):
    """Reads as little of a request as tells where the next one begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._data, 0, end)
            assert found is not None
            whole = end + 4 + int(found[1])
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._transport.write(_ANSWER)


async def _serve(ports: Connection, certificate: Path | None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(
        _Receiver, "127.0.0.1", 0, ssl=tls, backlog=1024
    )
    ports.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(ports: Connection, certificate: Path | None) -> None:
    uvloop.run(_serve(ports, certificate))


@contextmanager
def receiver(certificate: Path | None = None) -> Iterator[int]:
    """Its port. *certificate*: a PEM file with its key, for TLS."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(theirs, certificate), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
