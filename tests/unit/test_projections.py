"""Subscriptions, cursors, dead letters and attempts in a view."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from weakref import finalize

import pytest

from slugline.log import Record, TopicPartition
from slugline.topics import CURSORS
from slugline.view import View
from slugline_syndicate.deliveries.cursor import Cursor, claim, deleted_cursor, encode_cursor
from slugline_syndicate.deliveries.history import (
    Attempt,
    DeadLetter,
    encode_attempts,
    encode_dead_letter,
)
from slugline_syndicate.deliveries.history_views import ATTEMPTS_KEPT
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.subscription import deleted_subscription, encode_subscription
from tests.builders import NOON, a_subscription, stored
from tests.fakes import ManualClock


class Applied:
    """Views of deliveries to which records are applied."""

    def __init__(self, path: Path = Path(":memory:")) -> None:
        self.views = DeliveryViews.make()
        self.view = View(path, self.views.all, ManualClock())
        finalize(self, self.view.close)
        self._next = 0

    def apply(self, *records: Record) -> None:
        self._next += 1_000
        batch = stored(records, partitions=1, start=self._next)
        self.view.apply(batch, {TopicPartition(r.topic, 0): r.offset + 1 for r in batch})


@pytest.fixture
def applied() -> Applied:
    return Applied()


def a_cursor(epoch: int, position: int) -> Record:
    return encode_cursor(Cursor(subscription_id="sub-1", epoch=epoch, positions={0: position}))


def an_attempt(number: int) -> Attempt:
    return Attempt(
        event=f"id-{number}",
        type="entry.created",
        number=1,
        status=200,
        error=None,
        started=NOON,
        duration_ms=1,
    )


def a_letter(number: int) -> DeadLetter:
    return DeadLetter(
        event=f"id-{number}",
        type="entry.created",
        blog="storm",
        entry="e1",
        sequence=number,
        partition=0,
        offset=number,
        reason="refused with 422, 3 times",
        attempts=3,
        at="2026-11-22T12:00:00Z",
    )


def test_the_newest_record_of_a_subscription_counts_and_listeners_hear_of_it(
    applied: Applied,
) -> None:
    heard: list[str] = []
    applied.views.subscriptions.listen(heard.extend)
    first = a_subscription()
    applied.apply(encode_subscription(first), encode_subscription(replace(first, revision=2)))

    found = applied.views.subscriptions.get("sub-1")
    assert found == replace(first, revision=2)
    assert applied.views.subscriptions.in_partition(0) == [found]
    assert heard == ["sub-1"]
    applied.apply(deleted_subscription("sub-1"))
    assert applied.views.subscriptions.get("sub-1") is None
    assert heard == ["sub-1", "sub-1"]


def test_a_cursor_of_an_epoch_that_is_over_changes_nothing_and_is_told(applied: Applied) -> None:
    zombies: list[str] = []
    applied.views.cursors.listen(lambda *_: None, zombies.append)
    applied.apply(a_cursor(5, 10))
    applied.apply(a_cursor(4, 99))
    applied.apply(a_cursor(5, 11))

    cursor = applied.views.cursors.get("sub-1")
    assert cursor is not None
    assert (cursor.epoch, cursor.positions) == (5, {0: 11})
    assert zombies == ["sub-1"]
    applied.apply(deleted_cursor("sub-1"))
    assert applied.views.cursors.get("sub-1") is None


def test_that_a_late_cursor_is_the_newest_in_the_log_is_known_after_a_restart_too(
    tmp_path: Path,
) -> None:
    path = tmp_path / "view.db"
    before = Applied(path)
    before.apply(a_cursor(5, 10), a_cursor(4, 99))
    before.view.close()

    after = Applied(path)
    assert after.views.cursors.overlaid("sub-1")
    after.apply(a_cursor(5, 10))
    assert not after.views.cursors.overlaid("sub-1")
    assert not after.views.cursors.overlaid("sub-2")


def test_the_newest_claim_on_a_partition_is_known(applied: Applied) -> None:
    heard: list[tuple[int, int]] = []
    applied.views.cursors.listen(lambda p, offset: heard.append((p, offset)), lambda _: None)
    applied.apply(claim(0, "one"))
    applied.apply(claim(0, "other"))

    assert heard == [(0, 1_000), (0, 2_000)]
    assert applied.views.cursors.newest_claim(0) == 2_000


def test_dead_letters_go_after_thirty_days(applied: Applied) -> None:
    applied.apply(encode_dead_letter("sub-1", a_letter(1)))
    letters = applied.views.dead_letters

    letters.prune(NOON + timedelta(days=29))
    assert [letter["event"] for _, letter in letters.page("sub-1", None, 10)] == ["id-1"]
    letters.prune(NOON + timedelta(days=31))
    assert letters.page("sub-1", None, 10) == []


def test_a_dead_letter_that_was_written_twice_is_one(applied: Applied) -> None:
    applied.apply(*[encode_dead_letter("sub-1", a_letter(1))] * 2)

    assert len(applied.views.dead_letters.page("sub-1", None, 10)) == 1


def test_of_attempts_the_newest_are_kept_for_each_subscription(applied: Applied) -> None:
    applied.apply(encode_attempts("sub-2", [an_attempt(0)]))
    for start in range(0, ATTEMPTS_KEPT + 100, 300):
        applied.apply(encode_attempts("sub-1", [an_attempt(start + n) for n in range(300)]))

    kept = [attempt["event"] for _, attempt in applied.views.attempts.page("sub-1", None, 10_000)]
    assert kept == [f"id-{n}" for n in reversed(range(100, 600))]
    assert len(applied.views.attempts.page("sub-2", None, 10)) == 1


def test_attempts_are_paged_from_any_place_across_flushes_of_any_size(applied: Applied) -> None:
    for first, count in ((0, 3), (3, 1), (4, 500), (504, 0), (504, 2)):
        applied.apply(encode_attempts("sub-1", [an_attempt(first + n) for n in range(count)]))
    page, after, found = applied.views.attempts.page, None, []
    while items := page("sub-1", after, 7):
        after = items[-1][0]
        found += [attempt["event"] for _, attempt in items]

    assert found == [f"id-{n}" for n in reversed(range(6, 506))]


def test_the_history_of_a_deleted_subscription_goes_with_it(applied: Applied) -> None:
    applied.views.subscriptions.listen(applied.views.forget_deleted)
    applied.apply(
        encode_subscription(a_subscription()),
        encode_attempts("sub-1", [an_attempt(1)]),
        encode_dead_letter("sub-1", a_letter(1)),
    )
    assert applied.views.attempts.page("sub-1", None, 10)

    applied.apply(deleted_subscription("sub-1"))

    assert applied.views.attempts.page("sub-1", None, 10) == []
    assert applied.views.dead_letters.page("sub-1", None, 10) == []


def test_a_record_that_cannot_be_read_is_skipped_and_counted(applied: Applied) -> None:
    bad = Record(topic=CURSORS, key=b"sub-1", value=b"{", partition_key=b"sub-1")
    applied.apply(a_cursor(1, 5), bad, a_cursor(1, 6))

    cursor = applied.views.cursors.get("sub-1")
    assert cursor is not None
    assert cursor.positions == {0: 6}
    assert applied.view.undecodable == 1
