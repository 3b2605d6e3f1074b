"""The port of one HTTP exchange: what a delivery needs of the network."""

from datetime import timedelta
from typing import NamedTuple, Protocol


class Request(NamedTuple):
    """One POST. *headers* are added to those that every request has."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Answer(NamedTuple):
    """What came of a request: a *status*, or an *error* in one line, such as `timeout: …`.

    *our_fault* marks errors that say nothing about the endpoint and are never charged to it.
    """

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None
    duration: timedelta = timedelta(0)
    our_fault: bool = False

    @property
    def success(self) -> bool:
        """2xx, and nothing else (Standard Webhooks 1.0.0)."""
        return self.status is not None and 200 <= self.status < 300


class Exchange(Protocol):
    """Sends one request and waits for its answer, for a bounded time."""

    async def post(self, request: Request) -> Answer:
        """Never raises for anything that an endpoint does. Cancelled, it closes the connection."""
        ...
