"""Progress: how far one subscription has got, in the memory of the owner that works for it.

It becomes the subscription's cursor with every flush. What a cursor does not hold is gone after a
crash and found again: which dead letters were not acknowledged, and which attempts were not written.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog

from slugline.view.entries import EventRef
from slugline_syndicate.deliveries.cursor import Cursor
from slugline_syndicate.deliveries.history import Attempt, DeadLetter
from slugline_syndicate.deliveries.policy import Head, Health
from slugline_syndicate.deliveries.subscription import Order, Positions, Subscription

#: Attempts that wait to be flushed, of one subscription; older ones go first.
ATTEMPTS_WAITING = 500

logger = structlog.get_logger()


class Wait(NamedTuple):
    """Since when a partition has waited, and from which offset compaction took what waited there."""

    since: datetime
    hole: int | None = None


#: For those that wait nowhere: shared, and never written to.
_NONE: dict[int, Wait] = {}

#: No failure yet: shared, so that an idle subscription costs nothing for it.
HEALTHY = Health()


def begins(subscription: Subscription, cursor: Cursor | None) -> dict[int, int]:
    """Where to begin in each partition: where the cursor stands, or the subscription starts."""
    return {**subscription.start, **(cursor.positions if cursor else {})}


def no_further(
    subscription: Subscription, cursor: Cursor | None, ends: Mapping[int, int]
) -> Cursor:
    """*cursor*, with no position beyond *ends*: there the log lost its newest records."""
    begin = begins(subscription, cursor)
    positions = {p: min(offset, ends.get(p, offset)) for p, offset in begin.items()}
    if positions != begin:
        logger.warning("cursor.beyond_log", subscription_id=subscription.id)
    known = cursor or Cursor(subscription_id=subscription.id, epoch=0, positions={})
    return replace(known, positions=positions)


class Progress:
    """A subscription and its cursor, as they change. *end* says how far the view has read.

    *behind* holds the partitions that may hold work, with the time at which the event at the head
    was written, where that is known; in all others everything up to the view's end was seen. *waits*
    says since when a partition may be behind, until its first event is met; where that does not
    stand at the position, something before it is gone, which holds until the next event is done.
    *doomed* are dead letters that the log has not acknowledged. *missed* are events that a filter
    wanted before it was known here.
    """

    __slots__ = (
        "_end",
        "_frozen",
        "_positions",
        "attempts",
        "behind",
        "doomed",
        "epoch",
        "gaps",
        "heads",
        "health",
        "missed",
        "order",
        "subscription",
        "waits",
    )

    def __init__(
        self,
        subscription: Subscription,
        cursor: Cursor | None,
        epoch: int,
        partitions: int,
        end: Callable[[int], int],
    ) -> None:
        start = begins(subscription, cursor)
        self._end = end
        self._frozen = False
        self._positions = array("q", [start.get(p, 0) for p in range(partitions)])
        self.subscription = subscription.for_lanes()
        self.epoch = epoch
        self.health = cursor.health if cursor and cursor.health != HEALTHY else HEALTHY
        self.heads: dict[int, Head] = dict(cursor.heads) if cursor else {}
        self.gaps: dict[int, int] = dict(cursor.gaps) if cursor else {}
        self.order = cursor.order if cursor else 0
        due, known = (cursor.due, cursor.written) if cursor else ({}, subscription.created)
        self.behind: dict[int, datetime | None] = {
            p: None for p, offset in enumerate(self._positions) if offset < end(p)
        }
        waits = {p: due.get(p) or known for p in self.behind}
        self.waits = {p: Wait(since) for p, since in waits.items() if since} or _NONE
        self.doomed: dict[int, DeadLetter] = {}
        self.missed: dict[int, list[EventRef]] = {}
        self.attempts: list[Attempt] = []

    # --- what others ask ----------------------------------------------------------------------------

    def ends(self) -> list[int]:
        """How far the view has read each partition: the same for all that work from one view."""
        return [self._end(p) for p in range(len(self._positions))]

    def cursor(self, ends: Sequence[int] | None = None) -> Cursor:
        """The cursor as it should stand in the log now. *ends*, where they were asked for already."""
        behind = self.behind
        seen = enumerate(zip(self._positions, ends or self.ends(), strict=True))
        positions = {
            p: offset if offset >= end or p in behind else end for p, (offset, end) in seen
        }
        for p, missed in self.missed.items():
            positions[p] = min(positions[p], missed[0].offset)
        for p, wait in self.waits.items():  # whoever goes on from here must see the hole too
            positions[p] = positions[p] if wait.hole is None else min(positions[p], wait.hole)
        return Cursor(
            subscription_id=self.subscription.id,
            epoch=self.epoch,
            positions=positions,
            health=self.health,
            heads={p: h for p, h in self.heads.items() if h.offset >= positions[p]},
            gaps=dict(self.gaps),
            order=self.order,
            due={p: at for p in behind if (at := self._due(p))},
            filter=self.subscription.filter.revision,
        )

    def _due(self, p: int) -> datetime | None:
        return self.waits[p].since if p in self.waits else self.behind[p]

    def state(self) -> str:
        """active, waiting, paused or disabled."""
        if self.health.disabled:
            return "disabled"
        if self.subscription.paused:
            return "paused"
        return "waiting" if self.health.failures else "active"

    def oldest(self) -> datetime | None:
        """When the oldest event was written that waits; None where nothing does, or nobody wants it."""
        if self.state() in ("paused", "disabled"):
            return None
        return min((due for due in self.behind.values() if due), default=None)

    def orders(self) -> list[Order]:
        """The orders that wait to be carried out."""
        return [order for order in self.subscription.orders if order.number > self.order]

    def seen(self, p: int) -> int:
        """Up to where everything in *p* was judged by the filters as they were known then."""
        offset = self._positions[p]
        return offset if p in self.behind else max(offset, self._end(p))

    # --- positions ----------------------------------------------------------------------------------

    def position(self, p: int) -> int:
        """Where the lane of *p* looks next."""
        return self._positions[p]

    def look_on_from(self, p: int, offset: int) -> None:
        """Everything below *offset* was judged, and is wanted no more or done."""
        if offset > self._positions[p]:
            self._positions[p] = offset

    def meet(self, p: int, offset: int, first: int) -> None:
        """The next event that the view has stands at *offset*; the partition's may from *first* on."""
        wait = self.waits[p]
        if wait.hole is not None:
            return
        if offset > max(self._positions[p], first):
            self.waits[p] = wait._replace(hole=self._positions[p])
        else:
            del self.waits[p]

    def gone_since(self, p: int) -> datetime | None:
        """Since when, at the longest, what is gone before the next event had waited."""
        wait = self.waits.get(p)
        return wait.since if wait and wait.hole is not None else None

    def has_work(self, ref: EventRef) -> None:
        """The event at *ref*, which is wanted, has arrived; it is told of every one, in order."""
        p = ref.partition
        if p not in self.behind:  # so nothing between the position and this one is wanted
            self.look_on_from(p, ref.offset)
            self.behind[p] = ref.written_at

    def idle(self, p: int) -> None:
        """The view holds nothing more in *p*."""
        self.waits.pop(p, None)
        self.look_on_from(p, self._end(p))
        if not self._frozen:
            self.behind.pop(p, None)

    def head(self, ref: EventRef, *, gap: bool) -> Head:
        """How the delivery of *ref* has fared; with *gap*, that of the telling before it."""
        head = self.heads.get(ref.partition)
        if head and (head.offset, head.gap) == (ref.offset, gap):
            return head
        return Head(offset=ref.offset, gap=gap)

    def tried(self, ref: EventRef, *, gap: bool) -> int:
        """How many of its attempts were charged."""
        return self.head(ref, gap=gap).attempts if ref.partition in self.heads else 0

    def pass_by(self, ref: EventRef) -> None:
        """*ref* is delivered, dead or superseded: on with the next."""
        p = ref.partition
        self.waits.pop(p, None)
        if p not in self.missed or not self._take_missed(ref):
            self.look_on_from(p, ref.offset + 1)
        if p in self.doomed and self.letter(ref):
            del self.doomed[p]
        if p in self.heads:
            del self.heads[p]
        self.behind[p] = None

    def letter(self, ref: EventRef) -> DeadLetter | None:
        """The dead letter of the delivery at *ref*, where it is still to be acknowledged."""
        letter = self.doomed.get(ref.partition)
        return letter if letter and letter.offset == ref.offset else None

    def add_missed(self, p: int, refs: Sequence[EventRef]) -> None:
        """*refs*, below what was seen of *p*, are wanted after all."""
        self.look_on_from(p, self.seen(p))
        self.behind[p] = refs[0].written_at
        self.missed[p] = sorted([*self.missed.get(p, ()), *refs], key=lambda ref: ref.offset)

    def _take_missed(self, ref: EventRef) -> bool:
        missed = self.missed.get(ref.partition)
        if not missed:
            return False
        left = [other for other in missed if other.offset != ref.offset]
        if left:
            self.missed[ref.partition] = left
        else:
            self.missed.pop(ref.partition, None)
        return len(left) < len(missed)

    def freeze(self) -> None:
        """Count nothing as seen from now on: nobody will tell of new events any more."""
        for p in range(len(self._positions)):
            self.look_on_from(p, self.seen(p))
        self.behind = {p: self.behind.get(p) for p in range(len(self._positions))}
        self._frozen = True

    # --- orders and changes -------------------------------------------------------------------------

    def start_afresh(self) -> None:
        """Forget how the endpoint behaved. Only while no attempt is under way."""
        self.health = replace(HEALTHY, last_success=self.health.last_success)
        self.heads.clear()

    def skip_to(self, positions: Positions) -> None:
        """Give up what lies before *positions*. Only while no attempt is under way."""
        for p, offset in positions.items():
            self.waits.pop(p, None)
            self.look_on_from(p, offset)
            self.doomed.pop(p, None)
            self.missed.pop(p, None)
            if p in self.behind:
                self.behind[p] = None

    def note(self, attempt: Attempt) -> None:
        """Keep *attempt* for the next flush."""
        self.attempts.append(attempt)
        if len(self.attempts) > ATTEMPTS_WAITING:
            del self.attempts[0]

    def take_attempts(self) -> list[Attempt]:
        """The attempts that wait to be written; they are the caller's now."""
        made, self.attempts = self.attempts, []
        return made

    def give_back(self, attempts: list[Attempt]) -> None:
        """*attempts* could not be written."""
        self.attempts = (attempts + self.attempts)[-ATTEMPTS_WAITING:]
