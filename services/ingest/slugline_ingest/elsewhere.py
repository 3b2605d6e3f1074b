"""Elsewhere: where long, pure computations and blocking calls run, so that the event loop goes on."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Elsewhere(Protocol):
    """Runs *work* somewhere else than on the event loop."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


async def in_a_thread(work: Callable[[], T]) -> T:
    """The `Elsewhere` of a running service."""
    return await asyncio.to_thread(work)
