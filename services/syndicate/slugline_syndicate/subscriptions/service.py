"""The use cases: make, change, end, pause, resume, test. The API writes what is wanted, the owner
of a subscription's partition carries it out."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from slugline.clock import Clock
from slugline.egress import EgressGuard, Resolver, approved
from slugline.errors import EgressRefusedError, LogUnavailableError, OutcomeUnknownError
from slugline.events import EventType
from slugline.log import Log, Record, TopicPartition
from slugline.topics import ENTRIES
from slugline.view.tail import Tail
from slugline.web.auth import token_hash
from slugline.web.problems import Problem
from slugline_syndicate.deliveries.body import own_id
from slugline_syndicate.deliveries.projections import CursorsView, SubscriptionsView
from slugline_syndicate.deliveries.sealing import Sealer
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import (
    Filter,
    Order,
    OrderKind,
    Subscription,
    deleted_subscription,
    encode_subscription,
)
from slugline_syndicate.subscriptions.models import NewSubscription, SubscriptionChange

#: How long a write may take until its own record is in the view, in seconds.
WITHIN = 5.0
#: Orders kept in a subscription; those that are done long ago go.
ORDERS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Made:
    """A new subscription, and what is shown once: its secret and its own token."""

    subscription: Subscription
    secret: str
    token: str


class SubscriptionService:
    """Changes subscriptions, one change at a time for each."""

    def __init__(
        self,
        log: Log,
        tail: Tail,
        subscriptions: SubscriptionsView,
        cursors: CursorsView,
        clock: Clock,
        guard: EgressGuard,
        resolver: Resolver,
        sealer: Sealer,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._log = log
        self._tail = tail
        self._subscriptions = subscriptions
        self._cursors = cursors
        self._clock = clock
        self._guard = guard
        self._resolver = resolver
        self._sealer = sealer
        self._random_bytes = random_bytes
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def make(self, wanted: NewSubscription) -> Made:
        """Make a subscription. Raises EgressRefusedError, LogUnavailableError, Problem 503."""
        await self._check_url(wanted.url)
        ends = _of_entries(await self._tail.catch_up())
        now = self._clock.now()
        secret = new_secret(self._random_bytes)
        token = f"slt_{self._random_bytes(24).hex()}"
        subscription = Subscription(
            id=f"sub_{self._random_bytes(10).hex()}",
            url=wanted.url,
            filters=(Filter(since={}, blogs=tuple(wanted.blogs), types=tuple(wanted.types)),),
            start=ends if wanted.start == "now" else dict.fromkeys(ends, 0),
            secrets=(self._sealer.seal(secret),),
            token_hash=token_hash(token),
            created=now,
            changed=now,
            description=wanted.description,
        )
        try:
            await self._write(encode_subscription(subscription))
        except OutcomeUnknownError as error:
            detail = (
                f"{subscription.id} may exist now; delete it, or subscribe once more and ignore it."
            )
            headers = {"Retry-After": "2"}
            raise Problem(503, "The outcome is unknown", detail, headers=headers) from error
        return Made(subscription, secret, token)

    async def change(
        self, name: str, change: SubscriptionChange, revision: int | None
    ) -> Subscription:
        """Change a subscription that stands at *revision*. Raises Problem 404, 412."""
        if change.url is not None:
            await self._check_url(change.url)

        def changed(known: Subscription, ends: Mapping[int, int]) -> Subscription:
            after = known
            if change.blogs is not None or change.types is not None:
                after = replace(after, filters=self._filters(known, change, ends))
            if change.description is not None:
                after = replace(after, description=change.description)
            if change.url is not None and change.url != known.url:
                after = self._ordered(replace(after, url=change.url), OrderKind.FRESH)
            return after

        return await self._change(name, changed, revision)

    async def pause(self, name: str) -> Subscription:
        """Deliver nothing more until it is resumed; the cursor stays."""
        return await self._change(name, lambda known, _: replace(known, paused=True))

    async def resume(self, name: str, mode: str) -> Subscription:
        """Go on, also where it was disabled."""

        def resumed(known: Subscription, ends: Mapping[int, int]) -> Subscription:
            going = replace(known, paused=False)
            if mode == "skip":
                return self._ordered(going, OrderKind.SKIP, ends)
            return self._ordered(going, OrderKind.RESUME)

        return await self._change(name, resumed)

    async def test(self, name: str) -> str:
        """Send one `subscription.test`; its event id, by which its attempt is found."""
        after = await self._change(name, lambda known, _: self._ordered(known, OrderKind.TEST))
        return own_id(EventType.SUBSCRIPTION_TEST, name, after.orders[-1].number)

    async def delete(self, name: str, revision: int | None) -> None:
        """End a subscription that stands at *revision*. Raises Problem 404, 412."""
        async with self._locked(name):
            await self._tail.catch_up()
            self._known(name, revision)
            await self._write(deleted_subscription(name))

    # --- inside -------------------------------------------------------------------------------------

    def _locked(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _check_url(self, url: str) -> None:
        wanted = self._guard.check_url(url)
        try:
            async with asyncio.timeout(WITHIN):
                good, refused = await approved(self._guard, self._resolver, wanted)
        except (OSError, UnicodeError) as error:  # a time-out is an OSError too
            raise EgressRefusedError(f"{wanted.host} has no address; check the name") from error
        if refused or not good:
            raise refused or EgressRefusedError(f"{wanted.host} has no address; check the name")

    async def _change(
        self,
        name: str,
        changed: Callable[[Subscription, Mapping[int, int]], Subscription],
        revision: int | None = None,
    ) -> Subscription:
        async with self._locked(name):
            ends = _of_entries(await self._tail.catch_up())
            known = self._known(name, revision)
            after = changed(known, ends)
            if after == known:
                return known
            after = replace(after, revision=known.revision + 1, changed=self._clock.now())
            await self._write(encode_subscription(after))
            return after

    def _known(self, name: str, revision: int | None) -> Subscription:
        known = self._subscriptions.get(name)
        if known is None:
            raise Problem(404, "No such subscription", "Check the id and the token.")
        if revision is not None and revision != known.revision:
            detail = f"It stands at revision {known.revision}; read it again, then change it."
            raise Problem(412, "Changed meanwhile", detail, headers={"ETag": f'"{known.revision}"'})
        return known

    def _filters(
        self, known: Subscription, change: SubscriptionChange, ends: Mapping[int, int]
    ) -> tuple[Filter, ...]:
        """The new filter holds from the ends of now; older ones stay as long as a lane may need them."""
        blogs = known.filter.blogs if change.blogs is None else tuple(change.blogs)
        types = known.filter.types if change.types is None else tuple(change.types)
        cursor = self._cursors.get(known.id)
        positions = cursor.positions if cursor else known.start
        judged_by = cursor.filter if cursor else 0
        passed = [
            number
            for number, each in enumerate(known.filters)
            if each.revision <= judged_by
            and all(positions.get(p, 0) >= each.since.get(p, 0) for p in ends)
        ]
        needed = known.filters[passed[-1] if passed else 0 :]
        revision = known.revision + 1
        new = Filter(since=dict(ends), blogs=blogs, types=types, revision=revision)
        return (*needed, new)

    def _ordered(
        self,
        subscription: Subscription,
        kind: OrderKind,
        positions: Mapping[int, int] | None = None,
    ) -> Subscription:
        last = subscription.orders[-1].number if subscription.orders else 0
        order = Order(number=last + 1, kind=kind, at=self._clock.now(), positions=positions or {})
        cursor = self._cursors.get(subscription.id)
        done = cursor.order if cursor else 0
        open_orders = [o for o in subscription.orders if o.number > done]
        kept = [o for o in subscription.orders if o.number <= done][-1:]
        if len(open_orders) >= ORDERS_KEPT:
            detail = "Earlier orders still wait to be carried out; try again later."
            raise Problem(429, "Too many orders", detail, headers={"Retry-After": "30"})
        return replace(subscription, orders=(*kept, *open_orders, order))

    async def _write(self, record: Record) -> None:
        """Publish *record* and wait until the view holds it."""
        try:
            async with asyncio.timeout(WITHIN):
                (placed,) = await self._log.publish([record])
                await self._tail.reached(
                    {TopicPartition(placed.topic, placed.partition): placed.offset + 1}
                )
        except TimeoutError as error:
            raise OutcomeUnknownError("the log did not acknowledge the change in time") from error


def _of_entries(ends: Mapping[TopicPartition, int]) -> dict[int, int]:
    found = {tp.partition: end for tp, end in ends.items() if tp.topic == ENTRIES}
    if not found:
        raise LogUnavailableError("the log holds no entries topic")
    return found
