"""A lane at work: the events of one subscription and partition, one after the other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

import structlog

from slugline.clock import rfc3339
from slugline.errors import LogError
from slugline.events import EventType
from slugline.view.entries import EventRef
from slugline.view.entry_tables import REVISIONS_KEPT
from slugline_syndicate.deliveries.body import gap_body, own_id
from slugline_syndicate.deliveries.context import Context, attempt
from slugline_syndicate.deliveries.exchange import Answer
from slugline_syndicate.deliveries.history import DeadLetter, encode_dead_letter
from slugline_syndicate.deliveries.policy import Head, Verdict, is_routine, is_trouble, judge
from slugline_syndicate.deliveries.progress import Progress

logger = structlog.get_logger()


class Step(Enum):
    """How a lane goes on after a step."""

    IDLE = auto()
    NEXT = auto()
    HOLD = auto()


class Delivery(NamedTuple):
    """What is sent next: the event at *ref*, or the `subscription.gap` that comes before it."""

    ref: EventRef
    id: str
    type: EventType
    body: bytes

    @property
    def is_gap(self) -> bool:
        """Whether it is the telling of a gap."""
        return self.type is EventType.SUBSCRIPTION_GAP


class Lane:
    """Made when there is work in *partition*, gone when there is none. It alone moves the position."""

    __slots__ = ("_ahead", "_context", "_p", "_progress", "_waited")

    def __init__(self, partition: int, progress: Progress, context: Context) -> None:
        self._p = partition
        self._progress = progress
        self._context = context
        #: Events at and after the position, read together.
        self._ahead: Iterator[EventRef] = iter(())
        #: Whether others had a turn since the last read: an attempt gives them one.
        self._waited = True

    async def step(self) -> Step:
        """Do what comes next: one attempt, or none."""
        ref = self._at_hand() or await self._next()
        if ref is None:
            return Step.IDLE
        context, progress = self._context, self._progress
        if self._p in progress.doomed:
            letter = progress.letter(ref)
            if letter is not None:
                return await self._bury(ref, letter)
        now = context.clock.now()
        delivery = self._delivery(ref, now)
        if delivery is None:
            self._pass(ref, "superseded")
            return Step.NEXT
        self._waited = True
        number = progress.tried(ref, gap=delivery.is_gap) + 1
        answer = await attempt(
            context, progress, delivery.id, delivery.type, number, delivery.body, now
        )
        if is_routine(progress.health, answer, context.clock.now()):
            self._done(delivery, "delivered")
            return Step.NEXT
        head = progress.head(ref, gap=delivery.is_gap)
        return await self._settle(delivery, head, answer)

    def hold_after_fault(self) -> None:
        """Something of ours broke: the same event again, in a while."""
        head = self._progress.heads.get(self._p) or Head(offset=self._progress.position(self._p))
        self._hold(replace(head, until=self._context.soon()))

    # --- what comes next ----------------------------------------------------------------------------

    def _at_hand(self) -> EventRef | None:
        """The next event that is wanted, with the position at it, of those that were read."""
        progress, p = self._progress, self._p
        if p in progress.missed:
            return self._due(progress.missed[p][0])
        for ref in self._ahead:
            if p in progress.waits:
                progress.meet(p, ref.offset, self._context.source.first_offset(p))
            progress.look_on_from(p, ref.offset)
            if progress.subscription.wants(ref):
                return self._due(ref)
            progress.look_on_from(p, ref.offset + 1)
        return None

    async def _next(self) -> EventRef | None:
        """The next event that is wanted, with the position at it; None: there is none yet."""
        progress, source = self._progress, self._context.source
        while True:
            ref = self._at_hand()
            if ref is not None:
                return ref
            if not self._waited:
                await self._context.clock.sleep(0)
            self._waited = False
            refs = source.from_offset(self._p, progress.position(self._p))
            if not refs:
                # No await from here to where this is read: an event that arrives wakes the lane.
                progress.idle(self._p)
                return None
            self._ahead = iter(refs)

    def _due(self, ref: EventRef) -> EventRef:
        self._progress.behind[self._p] = ref.written_at
        return ref

    def _delivery(self, ref: EventRef, now: datetime) -> Delivery | None:
        """What to send for *ref*; None: something newer takes its place."""
        kept_from = now - REVISIONS_KEPT
        body = self._context.source.body(ref)
        told = self._in_gap(ref)
        # Also where *ref* itself is passed by: nobody tells it afterwards.
        if not told and self._is_missing(kept_from):
            return self._gap(ref)
        if body is None or (told and self._context.source.superseded(ref)):
            return None
        if not told and ref.written_at < kept_from:
            return self._gap(ref)
        return Delivery(ref, ref.id, ref.type, body)

    def _is_missing(self, kept_from: datetime) -> bool:
        """Whether something before the next event is gone, and older than every revision is kept."""
        gone_since = self._progress.gone_since(self._p)
        return gone_since is not None and gone_since < kept_from

    def _in_gap(self, ref: EventRef) -> bool:
        """Whether the gap around *ref* was told: newest revisions alone come, up to where it ends."""
        gaps = self._progress.gaps
        if self._p in gaps and ref.offset >= gaps[self._p]:
            del gaps[self._p]
        return self._p in gaps

    def _gap(self, ref: EventRef) -> Delivery:
        """The telling of a gap: revisions before *ref* may be missing, and nobody said so yet."""
        name = self._progress.subscription.id
        kind = EventType.SUBSCRIPTION_GAP
        body = gap_body(name, self._context.source.sequence(ref), rfc3339(ref.time))
        return Delivery(ref, own_id(kind, name, ref.offset, self._p), kind, body)

    # --- what came of it ----------------------------------------------------------------------------

    async def _settle(self, delivery: Delivery, head: Head, answer: Answer) -> Step:
        context, progress = self._context, self._progress
        judged = judge(progress.health, head, answer, context.clock.now(), context.rng)
        # At once: while a dead letter is written, other lanes go on and judge by it.
        progress.health = judged.health
        if judged.verdict is Verdict.DELIVERED:
            self._done(delivery, "delivered")
            return Step.NEXT
        if judged.verdict is Verdict.DEAD:
            letter = self._letter(delivery, judged.head, judged.reason)
            progress.doomed[self._p] = letter
            return await self._bury(delivery.ref, letter)
        if answer.our_fault and head.until is None:
            logger.warning(
                "attempt.our_fault", subscription_id=progress.subscription.id, reason=answer.error
            )
        context.metrics.deliveries.count(_outcome(answer))
        self._hold(judged.head)
        return Step.HOLD

    def _letter(self, delivery: Delivery, head: Head, reason: str) -> DeadLetter:
        ref = delivery.ref
        return DeadLetter(
            event=delivery.id,
            type=delivery.type,
            blog=ref.blog_id,
            entry=ref.entry_id,
            sequence=self._context.source.sequence(ref),
            partition=ref.partition,
            offset=ref.offset,
            reason=reason,
            attempts=head.attempts,
            at=rfc3339(self._context.clock.now()),
        )

    async def _bury(self, ref: EventRef, letter: DeadLetter) -> Step:
        """Write the dead letter, acknowledged before the position passes. Nothing more is sent of it."""
        record = encode_dead_letter(self._progress.subscription.id, letter)
        try:
            await self._context.log.publish([record])
        except LogError:
            head = self._progress.head(ref, gap=letter.type == EventType.SUBSCRIPTION_GAP)
            self._hold(replace(head, until=self._context.soon()))
            return Step.HOLD
        self._done(Delivery(ref, letter.event, EventType(letter.type), b""), "dead")
        return Step.NEXT

    def _done(self, delivery: Delivery, outcome: str) -> None:
        if not delivery.is_gap:
            self._pass(delivery.ref, outcome)
            return
        self._ahead = iter(())  # what comes after the telling is the event itself
        self._progress.waits.pop(self._p, None)
        self._progress.gaps[self._p] = self._context.source.end(self._p)
        self._progress.heads.pop(self._p, None)
        self._progress.doomed.pop(self._p, None)
        self._context.metrics.deliveries.count("gap")
        self._context.moved(self._progress)

    def _pass(self, ref: EventRef, outcome: str) -> None:
        self._progress.pass_by(ref)
        self._context.metrics.deliveries.count(outcome)
        self._context.moved(self._progress)

    def _hold(self, head: Head) -> None:
        """Keep the lane at its event."""
        self._progress.heads[self._p] = head
        self._context.moved(self._progress)


def _outcome(answer: Answer) -> str:
    if answer.our_fault:
        return "our_fault"
    return "trouble" if is_trouble(answer) else "refused"
