"""What a client may hold on to: the bounds that a server keeps, whoever comes."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds, and numbers."""

    #: How long a connection may be idle, or take over the head of a request: longer than gateways
    #: keep theirs, who would else send requests into connections that are just being closed.
    idle: float = 75.0
    #: How long a body may take to come.
    body: float = 60.0
    #: How long an answer may wait for a client that does not take it.
    answer: float = 60.0
    #: How long bytes that nobody wants are read, so that the answer to them arrives.
    lingering: float = 2.0
    #: Fields in the head of a request; each may have 8,190 bytes.
    fields: int = 64
    #: Connections at once, where the process may open as many files.
    connections: int = 16_384


#: Where an application keeps its own.
BOUNDS = web.AppKey("bounds", Bounds)
