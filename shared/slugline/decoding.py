"""Content codings (RFC 9110 section 8.4.1): decompression that never gives more than is allowed."""

import zlib
from typing import Protocol

import brotli

ACCEPTED = "gzip, br"

_GZIP = zlib.MAX_WBITS | 32  # gzip or zlib, as the bytes say


class TooLargeError(Exception):
    """Unpacked, it has more bytes than are allowed."""


class UnknownCodingError(Exception):
    """It is packed in a way that is not known here."""


class DamagedCodingError(Exception):
    """It is not packed as it says."""


class Decoder(Protocol):
    """Unpacks a body, chunk by chunk. Both raise TooLargeError and DamagedCodingError."""

    def add(self, chunk: bytes) -> bytes:
        """What *chunk* adds to it."""
        ...

    def end(self) -> bytes:
        """The rest, when all chunks were added."""
        ...


def decoder(coding: str, largest: int) -> Decoder:
    """A decoder for a `Content-Encoding`, of *largest* bytes at the most. Raises UnknownCodingError."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return _Plain(largest)
    if name in ("gzip", "x-gzip", "deflate"):
        return _Zlib(largest)
    if name == "br":
        return _Brotli(largest)
    raise UnknownCodingError(
        f"packed as {name[:50]!r}, which is not known here; known are {ACCEPTED}"
    )


class _Plain:
    def __init__(self, largest: int) -> None:
        self._left = largest

    def add(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise TooLargeError
        return chunk

    def end(self) -> bytes:
        return b""


class _Zlib(_Plain):
    def __init__(self, largest: int) -> None:
        super().__init__(largest)
        self._unpacker = zlib.decompressobj(_GZIP)

    def add(self, chunk: bytes) -> bytes:
        try:
            data = self._unpacker.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise DamagedCodingError(f"its compression is damaged: {error}") from error
        return super().add(data)

    def end(self) -> bytes:
        if not self._unpacker.eof:
            raise DamagedCodingError("its compressed bytes end too early")
        return b""


class _Brotli(_Plain):
    def __init__(self, largest: int) -> None:
        super().__init__(largest)
        self._unpacker = brotli.Decompressor()

    def add(self, chunk: bytes) -> bytes:
        try:
            data = self._unpacker.process(chunk, output_buffer_limit=self._left + 1)
            while not self._unpacker.can_accept_more_data() and len(data) <= self._left:
                more = self._unpacker.process(b"", output_buffer_limit=self._left + 1 - len(data))
                data += more
        except brotli.error as error:
            raise DamagedCodingError(f"its compression is damaged: {error}") from error
        return super().add(data)

    def end(self) -> bytes:
        if not self._unpacker.is_finished():
            raise DamagedCodingError("its compressed bytes end too early")
        return b""
