"""The gate: whether requests may be started now. Who finds it shut is called when it opens."""

from collections.abc import Callable


class Gate:
    """Open while *conditions* holds. Whoever changes what it depends on calls `look`."""

    def __init__(self, conditions: Callable[[], bool]) -> None:
        self._conditions = conditions
        # A dictionary, for its order: callers are called in the order in which they came.
        self._waiting: dict[Callable[[], None], None] = {}

    def is_open(self, waiting: Callable[[], None] | None = None) -> bool:
        """Whether requests may be started; if not, *waiting* is called once they may."""
        if self._conditions():
            return True
        if waiting is not None:
            self._waiting[waiting] = None
        return False

    def look(self) -> None:
        """Call those who wait, where the gate is open now."""
        if self._waiting and self._conditions():
            waiting, self._waiting = self._waiting, {}
            for call in waiting:
                call()
