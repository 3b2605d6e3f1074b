"""What is kept of rendered text, within a bound: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that knows about how many bytes of memory it holds."""

    @property
    def size(self) -> int: ...


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Sized)


class Kept(Generic[Key, Value]):
    """Values by key, *most* bytes of them at the most, but always the newest one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value under *key*, or None."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: Value) -> None:
        """Keep *value* under *key*, in place of what was there."""
        self.drop(key)
        size = value.size
        self._values[key] = (value, size)
        self._size += size
        while self._size > self._most and len(self._values) > 1:
            self._size -= self._values.popitem(last=False)[1][1]

    def drop(self, key: Key) -> None:
        """Forget what is under *key*."""
        found = self._values.pop(key, None)
        if found is not None:
            self._size -= found[1]

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._size = 0

    def __len__(self) -> int:
        return len(self._values)
