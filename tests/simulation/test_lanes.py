"""Lanes under virtual time, one situation at a time."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from slugline.entry import Entry
from slugline.errors import LogUnavailableError
from slugline.events import Event, EventType, encode, event_id
from slugline.topics import CURSORS, DEAD_LETTERS, ENTRIES, SUBSCRIPTIONS, provision
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor, encode_cursor
from slugline_syndicate.deliveries.exchange import Request
from slugline_syndicate.deliveries.subscription import (
    Filter,
    Subscription,
    encode_subscription,
)
from slugline_syndicate.subscriptions.models import SubscriptionChange
from tests.builders import a_subscription, an_entry, withdrawn
from tests.simulation import receivers as tempers
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually
from tests.simulation.receivers import Temper
from tests.simulation.world import PARTITIONS, Replica, Shape, World


class Stage(World):
    """One replica, one subscription, and a script in place of the dice."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(1, Shape(subscriptions=0), loop)
        self.loop = loop
        self._ids: dict[str, str] = {}

    @property
    def replica(self) -> Replica:
        return self.replicas[0]

    async def begin(self, temper: Temper, **fields: Any) -> Subscription:
        await provision(SimulatedLog(self.broker), self.clock, PARTITIONS)
        subscription = a_subscription(**fields)
        self.subscriptions.append(subscription)
        self.receivers.tempers[subscription.url] = temper
        return subscription

    async def start(self) -> None:
        self.broker.append([encode_subscription(s) for s in self.subscriptions])
        self._start_replica()
        await self.clock.sleep(1.0)

    def replace_replica(self) -> None:
        """Another process, with no view yet, in place of the one that was stopped."""
        self._slots.clear()
        self._start_replica()

    def say(self, entry: Entry) -> str:
        """Write an event at once; its id."""
        before = self._ids.get(entry.id)
        kind = EventType.ENTRY_UPDATED if before else EventType.ENTRY_CREATED
        kind = EventType.ENTRY_DELETED if entry.withdrawn else kind
        event = Event(
            id=event_id(entry, before), type=kind, time=self.broker.clock.now(), subject=entry
        )
        self.broker.append([encode(event)])
        self._ids[entry.id] = event.id
        return event.id

    def sent(self) -> list[str]:
        """What arrived, in words: types of the subscription's own, entries and headings of others."""
        return [_words(orjson.loads(arrival.body)) for arrival in self.receivers.arrivals]

    def letters(self) -> list[dict[str, Any]]:
        return [
            orjson.loads(record.value or b"{}")
            for record in self.broker.journal
            if record.topic == DEAD_LETTERS
        ]


def _words(body: dict[str, Any]) -> str:
    entry = body["data"].get("entry")
    return f"{entry['id']} {entry.get('title', 'withdrawn')}" if entry else str(body["type"])


def play(script: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    async def main(loop: VirtualLoop) -> Stage:
        stage = Stage(loop)
        await script(stage)
        assert stage.unhandled == []
        await stage.replica.stop()
        return stage

    return run_virtually(main)


def refusing(words: bytes) -> Temper:
    return tempers.choosy(lambda request: words in request.body)


def first_heading(entry: str = "e1", **fields: Any) -> Entry:
    return an_entry(entry, **{"title": "first", **fields})


# --- refusals and dead letters ----------------------------------------------------------------------


def test_a_refused_event_is_tried_three_times_then_a_dead_letter_and_on_with_the_next() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(refusing(b"first"))
        await stage.start()
        stage.say(first_heading())
        stage.say(an_entry("e2", title="second"))
        await stage.clock.sleep(60)

    stage = play(script)

    (letter,) = stage.letters()
    assert stage.sent() == ["e1 first"] * 3 + ["e2 second"]
    assert (letter["event"], letter["entry"], letter["attempts"]) == (
        stage.receivers.arrivals[0].webhook_id,
        "e1",
        3,
    )
    assert letter["reason"] == "refused with 422, 3 times"


def test_after_three_dead_letters_in_a_row_nothing_more_is_given_up() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(refusing(b"storm"))
        await stage.start()
        for number in range(6):
            stage.say(an_entry(f"e{number}"))
        await stage.clock.sleep(3600)

    assert len(play(script).letters()) == 3


class DeafToLetters(SimulatedLog):
    """A log that takes no dead letters for a while."""

    until = 0.0

    async def publish(self, records: Any) -> Any:
        letters = any(record.topic == DEAD_LETTERS for record in records)
        if letters and self._broker.clock.monotonic() < self.until:
            raise LogUnavailableError("not now")
        return await super().publish(records)


def test_what_is_given_up_is_not_sent_again_while_its_dead_letter_cannot_be_written() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(refusing(b"first"))
        await stage.start()
        log = stage.replica.log
        log.__class__ = DeafToLetters
        DeafToLetters.until = 120.0
        stage.say(first_heading())
        stage.say(an_entry("e2", title="second"))
        await stage.clock.sleep(100)
        assert stage.sent() == ["e1 first"] * 3
        assert stage.letters() == []
        await stage.clock.sleep(30)

    stage = play(script)

    assert stage.sent() == ["e1 first"] * 3 + ["e2 second"]
    assert len(stage.letters()) == 1


# --- one lane, one request ----------------------------------------------------------------------------


@pytest.mark.parametrize("after", [5.0, 5.0005])
def test_a_wake_up_beside_a_timer_starts_no_second_lane(after: float) -> None:
    """A refused event waits 5 s; another arrives just when that is over, at a slow endpoint."""
    under_way = [0, 0]

    async def script(stage: Stage) -> None:
        slow = tempers.slow(stage.clock, 2.0)
        answers = iter([422])

        async def once_refused(request: Request) -> tempers.Reply | int | None:
            under_way[0] += 1
            under_way[1] = max(under_way)
            try:
                return next(answers, None) or await slow(request)
            finally:
                under_way[0] -= 1

        await stage.begin(once_refused)
        await stage.start()
        stage.say(first_heading())
        await stage.clock.sleep(0.5)
        (head,) = next(iter(stage.replica.deliveries.workers)).progress.heads.values()
        assert head.until is not None
        left = (head.until - stage.clock.now()).total_seconds()
        stage.loop.call_later(left + after - 5.0, stage.say, an_entry("e2"))
        await stage.clock.sleep(30)

    stage = play(script)

    assert under_way[1] == 1
    assert stage.sent() == ["e1 first", "e1 first", "e2 Heading of e2"]


def test_a_skip_is_not_undone_by_the_answer_that_was_under_way() -> None:
    async def script(stage: Stage) -> None:
        subscription = await stage.begin(tempers.slow(stage.clock, 3.0))
        await stage.start()
        for number in range(10):
            stage.say(an_entry(f"e{number}", title=f"{number}"))
        await stage.clock.sleep(1.0)
        await stage.replica.service.resume(subscription.id, "skip")
        stage.say(an_entry("after", title="skip"))
        await stage.clock.sleep(60)

    assert play(script).sent() == ["e0 0", "after skip"]


def test_what_the_old_url_answers_late_is_not_charged_to_the_new_one() -> None:
    async def script(stage: Stage) -> None:
        async def gone_in_the_end(_: Request) -> int | None:
            await stage.clock.sleep(3.0)
            return 410

        subscription = await stage.begin(gone_in_the_end)
        await stage.start()
        stage.say(first_heading())
        await stage.clock.sleep(1.0)
        url = "https://new.example/hook"
        stage.receivers.tempers[url] = tempers.fine()
        await stage.replica.service.change(subscription.id, SubscriptionChange(url=url), None)
        await stage.clock.sleep(10.0)
        assert [arrival.url for arrival in stage.receivers.arrivals] == [subscription.url, url]

    play(script)


def test_a_resume_does_not_wait_for_a_refused_events_next_try() -> None:
    async def script(stage: Stage) -> None:
        answers = iter([422])

        async def once_refused(_: Request) -> int | None:
            return next(answers, 200)

        subscription = await stage.begin(once_refused)
        await stage.start()
        stage.say(first_heading())
        await stage.clock.sleep(1.0)
        await stage.replica.service.resume(subscription.id, "continue")
        await stage.clock.sleep(1.0)
        assert [arrival.status for arrival in stage.receivers.arrivals] == [422, 200]

    play(script)


# --- wake-ups -------------------------------------------------------------------------------------------


class Unwilling(SimulatedLog):
    """A log that is there, but takes nothing for a while."""

    since = until = 0.0

    async def publish(self, records: Any) -> Any:
        if self.since <= self._broker.clock.monotonic() < self.until:
            raise LogUnavailableError("not now")
        return await super().publish(records)


def test_lanes_that_paused_because_cursors_could_not_be_written_go_on_by_themselves() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.slow(stage.clock, 0.2))
        await stage.start()
        stage.replica.log.__class__ = Unwilling
        now = stage.clock.monotonic()
        # Just over the 5 s after which lanes pause, and between two looks of anything periodic.
        Unwilling.since, Unwilling.until = now, now + 5.6
        for number in range(60):
            stage.say(an_entry(f"e{number}"))
        await stage.clock.sleep(5.5)
        paused = len(stage.sent())
        await stage.clock.sleep(0.05)
        assert paused < 60
        await stage.clock.sleep(30.0)
        assert len(stage.sent()) == 60

    play(script)


def test_while_a_view_is_rebuilt_nothing_is_sent_from_it() -> None:
    """An endpoint is asked again just when the view holds an entry, and not yet its withdrawal."""

    async def script(stage: Stage) -> None:
        down = [True]
        await stage.begin(tempers.unavailable(lambda: down[0]))
        await stage.start()
        await fall_behind(stage, down)
        worker = next(iter(stage.replica.deliveries.workers))
        until = worker.progress.health.until
        assert until is not None
        stage.broker.faults.slowest = 0.05  # so that a rebuild takes a second
        left = (until - stage.clock.now()).total_seconds()
        stage.loop.call_later(left - 0.8, break_the_view, stage)
        await stage.clock.sleep(60.0)

    stage = play(script)

    after = [arrival for arrival in stage.receivers.arrivals if arrival.status == 200]
    assert len(after) == 2_002
    assert not any(b"first" in arrival.body for arrival in after)


async def fall_behind(stage: Stage, down: list[bool]) -> None:
    """An entry is refused with trouble, then withdrawn, far behind which others stand."""
    stage.say(first_heading())
    await stage.clock.sleep(0.5)
    for number in range(2_000):
        stage.say(an_entry(f"other-{number}", title="other"))
    stage.say(withdrawn("e1"))
    await stage.clock.sleep(1.0)
    down[0] = False


def break_the_view(stage: Stage) -> None:
    stage.replica.view.db.close()
    stage.say(an_entry("breaks", title="what the file cannot take"))


class Overtaken(SimulatedLog):
    """A log in which an event comes between the ends that a change read and the change itself."""

    first: Callable[[], object]

    async def publish(self, records: Any) -> Any:
        if any(record.topic == SUBSCRIPTIONS for record in records):
            self.first()
            await self._broker.clock.sleep(1.0)
        return await super().publish(records)


def test_an_event_between_a_new_filters_place_and_its_arrival_is_not_missed() -> None:
    async def script(stage: Stage) -> None:
        subscription = await stage.begin(
            tempers.fine(), filters=(Filter(since={}, blogs=("vote",)),)
        )
        await stage.start()
        stage.replica.log.__class__ = Overtaken
        Overtaken.first = staticmethod(lambda: stage.say(first_heading()))
        change = SubscriptionChange(blogs=["storm"])
        await stage.replica.service.change(subscription.id, change, None)
        await stage.clock.sleep(5.0)

    assert play(script).sent() == ["e1 first"]


def asking_for(stage: Stage, subscription: Subscription, *blogs: str) -> Subscription:
    """*subscription* with a new filter, which holds from where the log ends now."""
    ends = {tp.partition: p.end for tp, p in stage.broker.of([ENTRIES]).items()}
    revision = subscription.revision + 1
    new = Filter(since=ends, blogs=blogs, revision=revision)
    return replace(subscription, filters=(*subscription.filters, new), revision=revision)


def test_what_an_owner_passed_before_it_knew_of_a_new_filter_is_sent_by_the_next() -> None:
    async def script(stage: Stage) -> None:
        votes = await stage.begin(tempers.fine(), filters=(Filter(since={}, blogs=("vote",)),))
        await stage.start()
        stage.say(first_heading("e1", blog_id="vote"))
        changed = asking_for(stage, votes, "storm", "vote")
        stage.say(first_heading("e2", blog_id="vote"))
        stage.say(first_heading("e3", blog_id="storm"))
        await stage.clock.sleep(5.0)
        await stage.replica.stop()
        stage.broker.append([encode_subscription(changed)])
        for _ in range(2):  # and once: the one after that knows what the next one knew
            stage.replace_replica()
            await stage.clock.sleep(5.0)
            await stage.replica.stop()
        stage.replace_replica()

    assert play(script).sent() == ["e1 first", "e2 first", "e3 first"]


def test_of_two_new_filters_that_are_read_together_neither_is_missed() -> None:
    async def script(stage: Stage) -> None:
        votes = await stage.begin(tempers.fine(), filters=(Filter(since={}, blogs=("vote",)),))
        await stage.start()
        storms = asking_for(stage, votes, "storm")
        stage.say(first_heading("e1", blog_id="storm"))
        finals = asking_for(stage, storms, "final")
        stage.say(first_heading("e2", blog_id="storm"))
        await stage.clock.sleep(5.0)
        stage.broker.append([encode_subscription(storms), encode_subscription(finals)])
        await stage.clock.sleep(5.0)

    assert play(script).sent() == ["e1 first"]


def test_an_old_filter_stays_until_a_cursor_knows_the_next() -> None:
    async def script(stage: Stage) -> None:
        votes = await stage.begin(tempers.fine(), filters=(Filter(since={}, blogs=("vote",)),))
        await stage.start()
        changed = asking_for(stage, votes, "storm", "vote")
        stage.say(first_heading("e1", blog_id="vote"))
        stage.say(first_heading("e2", blog_id="storm"))
        await stage.clock.sleep(5.0)
        stage.broker.append([encode_subscription(replace(changed, paused=True))])
        await stage.clock.sleep(5.0)
        await stage.replica.service.change(votes.id, SubscriptionChange(blogs=["final"]), None)
        stage.replica.kill()
        stage.replace_replica()
        await stage.clock.sleep(60.0)
        await stage.replica.service.resume(votes.id, "continue")
        await stage.clock.sleep(5.0)

    assert play(script).sent() == ["e1 first", "e2 first"]


# --- gaps -------------------------------------------------------------------------------------------


def far_behind(temper: Callable[[Stage], Temper]) -> Stage:
    """Three revisions of one entry and one of another, ten days old; then one of today."""

    async def script(stage: Stage) -> None:
        clock = stage.broker.clock
        stage.broker.clock = VirtualClock(stage.loop, timedelta(days=-10))
        await stage.begin(temper(stage))
        stage.say(an_entry("e2", title="alone"))
        for title in ("first", "second", "third"):
            stage.say(an_entry("e1", title=title))
        stage.broker.clock = clock
        stage.say(an_entry("e3", title="today"))
        await stage.start()
        stage.say(an_entry("e4", title="now"))
        await stage.clock.sleep(120.0)

    return play(script)


def test_who_is_more_than_seven_days_behind_is_told_of_the_gap_and_gets_newest_revisions() -> None:
    stage = far_behind(lambda _: tempers.fine())

    assert stage.sent() == [
        "subscription.gap",
        "e2 alone",
        "e1 third",
        "e3 today",
        "e4 now",
    ]


def test_the_telling_of_a_gap_is_tried_again_and_nothing_is_lost_by_it() -> None:
    def unwell(stage: Stage) -> Temper:
        return tempers.choosy(lambda _: stage.clock.monotonic() < 3.0)

    stage = far_behind(unwell)

    assert stage.sent() == ["subscription.gap"] * 2 + ["e2 alone", "e1 third", "e3 today", "e4 now"]


def test_an_endpoint_that_refuses_to_hear_of_gaps_still_gets_the_events() -> None:
    stage = far_behind(lambda _: refusing(b"subscription.gap"))

    (letter,) = stage.letters()
    assert letter["type"] == "subscription.gap"
    assert stage.sent() == ["subscription.gap"] * 3 + ["e2 alone", "e1 third", "e3 today", "e4 now"]


def test_what_an_event_was_refused_does_not_count_for_the_gap_before_it() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(refusing(b"type"))
        await stage.start()
        stage.say(an_entry("e1", title="old"))
        await stage.clock.sleep(20)
        await stage.replica.stop()
        await stage.clock.sleep(timedelta(days=8).total_seconds())
        stage.replace_replica()
        await stage.clock.sleep(60)

    assert play(script).sent()[:6] == ["e1 old"] * 2 + ["subscription.gap"] * 3 + ["e1 old"]


# --- orders -------------------------------------------------------------------------------------------


def test_every_test_is_sent_once_also_to_an_endpoint_in_trouble() -> None:
    async def script(stage: Stage) -> None:
        subscription = await stage.begin(tempers.choosy(lambda r: b"entry.created" in r.body))
        await stage.start()
        stage.say(first_heading())
        service = stage.replica.service
        wanted = [await service.test(subscription.id) for _ in range(3)]
        await service.pause(subscription.id)
        wanted.append(await service.test(subscription.id))
        await stage.clock.sleep(60.0)
        tests = [a.webhook_id for a in stage.receivers.arrivals if b"subscription.test" in a.body]
        assert tests == wanted

    play(script)


# --- a log that lost its newest records ---------------------------------------------------------------


async def an_unclean_stop(stage: Stage, topic: str, lost: int) -> None:
    """The broker is away for 5 s, and comes back without the newest *lost* records of *topic*."""
    stage.broker.away = True
    stage.broker.lose([topic], lost)
    await stage.clock.sleep(5)
    stage.broker.away = False
    await stage.clock.sleep(30)


def test_after_a_log_lost_its_newest_records_deliveries_go_on_at_its_end() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.fine())
        await stage.start()
        for name in ("e1", "e2", "e3"):
            stage.say(an_entry(name))
        await stage.clock.sleep(5)
        await an_unclean_stop(stage, ENTRIES, 2)
        stage.say(an_entry("e4"))
        await stage.clock.sleep(5)

    stage = play(script)

    assert [words.split()[0] for words in stage.sent()] == ["e1", "e2", "e3", "e4"]


def test_a_view_that_is_made_anew_ends_the_work_for_subscriptions_that_are_gone() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.fine())
        await stage.start()
        stage.say(an_entry("e1"))
        await stage.clock.sleep(5)
        await an_unclean_stop(stage, SUBSCRIPTIONS, 1)
        stage.say(an_entry("e2"))
        await stage.clock.sleep(5)

    assert [words.split()[0] for words in play(script).sent()] == ["e1"]


def test_whoever_comes_next_writes_again_what_a_late_cursor_overlaid() -> None:
    async def script(stage: Stage) -> None:
        subscription = await stage.begin(tempers.fine())
        await stage.start()
        for number in range(2):
            stage.say(an_entry(f"e{number}"))
            await stage.clock.sleep(5)
            await stage.replica.stop()
            if number == 0:
                stage.replace_replica()
                await stage.clock.sleep(5)
        late = Cursor(subscription_id=subscription.id, epoch=0, positions={})
        stage.broker.append([encode_cursor(late)])
        stage.replace_replica()
        await stage.clock.sleep(5)
        newest = [r for r in stage.broker.journal if r.key == subscription.id.encode()][-1]
        assert newest.topic == CURSORS
        assert decode_cursor(subscription.id, newest.value or b"").epoch > 0

    assert [words.split()[0] for words in play(script).sent()] == ["e0", "e1"]


def test_what_compaction_took_while_nobody_worked_is_told_as_a_gap_by_a_view_that_never_saw_it() -> (
    None
):
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.fine())
        await stage.start()
        stage.say(an_entry("e0"))
        await stage.clock.sleep(5)
        await stage.replica.stop()
        stage.say(first_heading())
        await stage.clock.sleep(timedelta(days=8).total_seconds())
        stage.say(an_entry("e1", title="second"))
        stage.broker.compact()
        stage.replace_replica()
        await stage.clock.sleep(60)

    assert play(script).sent()[1:] == [EventType.SUBSCRIPTION_GAP, "e1 second"]


def test_a_log_that_was_empty_for_longer_than_revisions_are_kept_has_no_gap() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.fine(), created=stage.clock.now())
        await stage.clock.sleep(timedelta(days=8).total_seconds())
        stage.say(an_entry("e1"))
        await stage.start()
        await stage.clock.sleep(60)

    assert [words.split()[0] for words in play(script).sent()] == ["e1"]


def test_a_gap_before_events_that_nobody_wants_is_told_by_a_later_owner_too() -> None:
    async def script(stage: Stage) -> None:
        updates = Filter(since={}, blogs=("*",), types=(EventType.ENTRY_UPDATED,))
        back = timedelta(days=8, minutes=2).total_seconds()
        temper = tempers.unavailable(lambda: stage.clock.monotonic() < back)
        await stage.begin(temper, filters=(updates,))
        await stage.start()
        await stage.replica.stop()
        for title in ("first", "second"):
            stage.say(an_entry("e1", title=title))
        await stage.clock.sleep(timedelta(days=8).total_seconds())
        stage.say(an_entry("e2", title="unwanted"))
        stage.say(an_entry("e1", title="third"))
        stage.broker.compact()
        stage.replace_replica()
        await stage.clock.sleep(30)
        await stage.replica.stop()
        stage.replace_replica()
        await stage.clock.sleep(1800)

    sent = play(script).sent()

    assert set(sent[:-1]) == {EventType.SUBSCRIPTION_GAP}
    assert sent[-1] == "e1 third"


def test_a_gap_before_an_event_that_was_withdrawn_meanwhile_is_told() -> None:
    async def script(stage: Stage) -> None:
        await stage.begin(tempers.fine())
        await stage.start()
        await stage.replica.stop()
        stage.say(an_entry("e1", title="first"))
        await stage.clock.sleep(timedelta(days=8).total_seconds())
        stage.say(an_entry("e2", title="alone"))
        stage.say(withdrawn("e2"))
        stage.say(an_entry("e1", title="second"))
        stage.broker.compact()
        stage.replace_replica()
        await stage.clock.sleep(60)

    assert play(script).sent() == [EventType.SUBSCRIPTION_GAP, "e2 withdrawn", "e1 second"]
