"""What this process wrote to the log and has not read back: it is known to be well-formed."""

#: Values kept; whoever writes more before reading has them checked like anybody's.
MOST = 16_384


class Written:
    """Numbers by the exact bytes of a record's value, so that its writer need not decode it again.

    The same bytes mean the same whoever wrote them, so nothing here can go out of date.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def note(self, value: bytes, number: int) -> None:
        """Decoding *value* would give *number*."""
        if len(self._numbers) >= MOST:
            self._numbers.clear()
        self._numbers[value] = number

    def take(self, value: bytes) -> int | None:
        """The number noted for *value*, once; None: decode it."""
        return self._numbers.pop(value, None)
