"""Opening a connection to the first of several addresses that lets us in (RFC 8305)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from slugline_syndicate.deliveries.http1 import Connection

#: How long one address has before the next one is tried beside it, in seconds.
STAGGER = 0.25
#: Addresses of one name that are tried; a name server can give thousands.
ADDRESSES = 8


async def first_open(
    dial: Callable[[str], Awaitable[Connection]], addresses: Sequence[str], stagger: float = STAGGER
) -> Connection:
    """The connection that *dial* opens first, over *addresses* in turn. Raises its last OSError."""
    if len(addresses) == 1:
        return await dial(addresses[0])
    rest = deque(_alternating(addresses)[:ADDRESSES])
    dials: set[asyncio.Future[Connection]] = set()
    failure = OSError("no address")
    try:
        while rest or dials:
            if rest:
                dials.add(asyncio.ensure_future(dial(rest.popleft())))
            await asyncio.wait(
                dials, timeout=stagger if rest else None, return_when=asyncio.FIRST_COMPLETED
            )
            for done in [each for each in dials if each.done()]:
                dials.remove(done)
                try:
                    return done.result()
                except OSError as error:
                    failure = error
        raise failure
    finally:
        for each in dials:
            each.cancel()
            each.add_done_callback(_discard)


def _alternating(addresses: Sequence[str]) -> list[str]:
    """*addresses* with the families in turn, the first one's first, so that a dead one costs little."""
    families = [ip_address(address.partition("%")[0]).version for address in addresses]
    places = [families[:index].count(family) for index, family in enumerate(families)]
    order = sorted(range(len(addresses)), key=lambda i: (places[i], families[i] != families[0]))
    return [addresses[i] for i in order]


def _discard(dial: asyncio.Future[Connection]) -> None:
    """Close what was opened too late."""
    if not dial.cancelled() and dial.exception() is None:
        dial.result().close()
