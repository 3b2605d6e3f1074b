"""Failure belongs to the subscription, positions to partitions: each rule as a table."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline_syndicate.deliveries.exchange import Answer
from slugline_syndicate.deliveries.policy import Head, Health, Judgement, Verdict, judge
from tests.builders import NOON

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HEAD = Head(offset=7)


def answered(status: int, retry_after: timedelta | None = None) -> Answer:
    return Answer(status=status, retry_after=retry_after)


TIMEOUT = Answer(error="timeout: no answer within 15 s")
OURS = Answer(error="connect: Too many open files", our_fault=True)
TROUBLE = [
    *(Answer(error=f"{kind}: why") for kind in ("connect", "lost", "tls", "refused", "protocol")),
    TIMEOUT,
    *(answered(status) for status in (300, 301, 304, 307, 399, 408, 429, 500, 502, 503, 599, 999)),
]
REFUSALS = [answered(s) for s in (400, 401, 403, 404, 405, 409, 411, 413, 415, 421, 422, 451, 499)]


class Endpoint:
    """A subscription and the event at the head of one lane, judged answer after answer."""

    def __init__(self, now: datetime = NOON, seed: int = 1) -> None:
        self.health, self.head, self.now = Health(), HEAD, now
        self.rng = Random(seed)

    def hears(self, answer: Answer) -> Judgement:
        judged = judge(self.health, self.head, answer, self.now, self.rng)
        self.health, self.head = judged.health, judged.head
        if judged.verdict is not Verdict.AGAIN:
            self.head = Head(offset=self.head.offset + 1)
        return judged

    def waits_out(self) -> timedelta:
        """Let every wait pass; how long it was."""
        before = self.now
        self.now = max(self.now, *(u for u in (self.health.until, self.head.until) if u), self.now)
        return self.now - before

    def buries(self, answer: Answer) -> str:
        """Hear *answer* for one event until it is given up; the reason."""
        while (judged := self.hears(answer)).verdict is Verdict.AGAIN:
            self.waits_out()
        assert judged.verdict is Verdict.DEAD
        return judged.reason


def wait_of(judged: Judgement, now: datetime = NOON) -> timedelta:
    assert judged.health.until is not None
    return judged.health.until - now


# --- success ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299])
def test_every_2xx_is_a_delivery(status: int) -> None:
    judged = judge(Health(), HEAD, answered(status), NOON, Random(1))
    assert judged.verdict is Verdict.DELIVERED
    assert judged.health == Health(last_success=NOON)


def test_a_success_forgets_every_failure_before_it() -> None:
    endpoint = Endpoint()
    for _ in range(3):
        endpoint.hears(TIMEOUT)
        endpoint.waits_out()
    endpoint.hears(answered(200))
    assert endpoint.health == Health(last_success=endpoint.now, at_once=2)
    endpoint.hears(TIMEOUT)
    assert endpoint.health.failing_since == endpoint.now
    assert endpoint.waits_out() <= 6 * SECOND


def test_a_success_that_was_under_way_when_the_wait_began_does_not_end_it() -> None:
    endpoint = Endpoint()
    endpoint.hears(answered(429, HOUR))
    endpoint.hears(answered(200))
    assert endpoint.health.until == NOON + HOUR
    assert endpoint.health.at_once == 1
    assert endpoint.health.last_success == NOON
    endpoint.waits_out()
    endpoint.hears(answered(200))
    assert endpoint.health == Health(last_success=NOON + HOUR, at_once=2)


@pytest.mark.parametrize("later", [timedelta(0), SECOND * 0.99, SECOND, -SECOND])
def test_a_success_after_a_success_is_the_same_state_for_a_second(later: timedelta) -> None:
    health = Health(last_success=NOON)
    after = judge(health, HEAD, answered(200), NOON + later, Random(1)).health
    assert (after is health) == (timedelta(0) <= later < SECOND)
    assert after == (health if after is health else Health(last_success=NOON + later))


def test_after_trouble_one_request_goes_out_and_one_more_for_each_success_up_to_four() -> None:
    endpoint = Endpoint()
    assert endpoint.health.at_once == 4
    endpoint.hears(TIMEOUT)
    at_once = [endpoint.health.at_once]
    endpoint.waits_out()
    for _ in range(5):
        endpoint.hears(answered(200))
        at_once.append(endpoint.health.at_once)
    assert at_once == [1, 2, 3, 4, 4, 4]


# --- endpoint trouble -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", TROUBLE, ids=str)
def test_endpoint_trouble_gives_nothing_up_and_makes_the_whole_subscription_wait(
    answer: Answer,
) -> None:
    judged = judge(Health(), HEAD, answer, NOON, Random(1))
    assert judged.verdict is Verdict.AGAIN
    assert judged.head.until is None  # it is the subscription that waits
    assert judged.head.attempts == 1
    assert judged.health.failing_since == NOON
    assert (judged.health.failures, judged.health.at_once, judged.health.dead) == (1, 1, 0)
    assert judged.health.reason == (answer.error or f"answered {answer.status}")
    assert 4 * SECOND <= wait_of(judged) <= 6 * SECOND


@given(st.integers())
def test_waits_are_5_s_30_s_2_min_10_min_and_then_30_min_give_or_take_a_fifth(seed: int) -> None:
    endpoint = Endpoint(seed=seed)
    for seconds in (5, 30, 120, 600, 1800, 1800, 1800):
        endpoint.hears(TIMEOUT)
        assert 0.8 * seconds <= endpoint.waits_out().total_seconds() <= 1.2 * seconds


def test_waits_differ_so_that_subscriptions_do_not_come_back_together() -> None:
    waits = {wait_of(judge(Health(), HEAD, TIMEOUT, NOON, Random(seed))) for seed in range(20)}
    assert len(waits) == 20
    assert min(waits) < 4.5 * SECOND
    assert max(waits) > 5.5 * SECOND


@pytest.mark.parametrize("status", [429, 503, 500, 301])
@pytest.mark.parametrize("asked", [MINUTE, HOUR, 24 * HOUR])
def test_retry_after_is_obeyed_for_the_whole_subscription(status: int, asked: timedelta) -> None:
    judged = judge(Health(), HEAD, answered(status, asked), NOON, Random(1))
    assert wait_of(judged) == asked


def test_retry_after_does_not_shorten_our_own_wait() -> None:
    late = Health(failing_since=NOON, failures=4, until=NOON)
    judged = judge(late, HEAD, answered(503, SECOND), NOON, Random(1))
    assert wait_of(judged) >= 24 * MINUTE


def test_what_was_under_way_when_the_wait_began_counts_as_the_same_failure() -> None:
    endpoint = Endpoint()
    endpoint.hears(TIMEOUT)
    waiting = endpoint.health
    endpoint.now += SECOND
    for _ in range(3):
        endpoint.hears(TIMEOUT)
    assert endpoint.health == waiting


def test_a_longer_retry_after_of_what_was_under_way_is_obeyed() -> None:
    endpoint = Endpoint()
    endpoint.hears(TIMEOUT)
    endpoint.hears(answered(429, HOUR))
    assert endpoint.health.until == NOON + HOUR
    endpoint.hears(answered(429, MINUTE))
    assert endpoint.health.until == NOON + HOUR


def test_an_event_answered_5xx_ten_times_over_twelve_hours_is_refused_after_all() -> None:
    endpoint = Endpoint()
    answers = 0
    while (judged := endpoint.hears(answered(500))).verdict is Verdict.AGAIN:
        answers += 1
        endpoint.waits_out()
    assert judged.verdict is Verdict.DEAD
    assert answers >= 10
    assert 12 * HOUR <= endpoint.now - NOON <= 13 * HOUR
    assert judged.reason.startswith("answered with 500")
    assert judged.health.dead == 1
    assert judged.health.until is not None  # the endpoint is in trouble all the same


@pytest.mark.parametrize(
    ("answers", "since", "verdict"),
    [
        (8, 20 * HOUR, Verdict.AGAIN),  # this one is the ninth
        (9, 12 * HOUR - SECOND, Verdict.AGAIN),
        (9, 12 * HOUR, Verdict.DEAD),
        (100, 11 * HOUR, Verdict.AGAIN),
    ],
)
def test_it_takes_both_ten_answers_and_twelve_hours(
    answers: int, since: timedelta, verdict: Verdict
) -> None:
    head = replace(HEAD, server_errors=answers, first_server_error=NOON - since)
    failing = Health(failing_since=NOON - since, failures=answers, until=NOON)
    assert judge(failing, head, answered(503), NOON, Random(1)).verdict is verdict


def test_other_trouble_never_wears_an_event_out() -> None:
    endpoint = Endpoint()
    while not endpoint.health.disabled:
        assert endpoint.hears(TIMEOUT).verdict is Verdict.AGAIN
        endpoint.waits_out()


def test_after_three_worn_out_events_nothing_more_is_given_up() -> None:
    endpoint = Endpoint()
    verdicts = []
    while not endpoint.health.disabled:
        verdicts.append(endpoint.hears(answered(503)).verdict)
        endpoint.waits_out()
    assert verdicts.count(Verdict.DEAD) == 3


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
def test_a_refused_event_is_tried_after_5_s_and_30_s_and_is_then_dead(answer: Answer) -> None:
    endpoint = Endpoint()
    waits = []
    for _ in range(2):
        judged = endpoint.hears(answer)
        assert judged.verdict is Verdict.AGAIN
        assert judged.health == Health()  # only its lane waits
        waits.append(endpoint.waits_out())
    assert waits == [5 * SECOND, 30 * SECOND]
    judged = endpoint.hears(answer)
    assert judged.verdict is Verdict.DEAD
    assert judged.reason == f"refused with {answer.status}, 3 times"
    assert judged.head.attempts == 3
    assert judged.health == Health(dead=1)


def test_a_refused_event_may_yet_be_taken() -> None:
    endpoint = Endpoint()
    endpoint.hears(answered(422))
    endpoint.waits_out()
    assert endpoint.hears(answered(200)).verdict is Verdict.DELIVERED


def test_after_three_dead_letters_in_a_row_a_refusal_is_endpoint_trouble_and_holds() -> None:
    endpoint = Endpoint()
    for _ in range(3):
        endpoint.buries(answered(422))
    for seconds in (5, 30, 120, 600, 1800, 1800):
        judged = endpoint.hears(answered(422))
        assert judged.verdict is Verdict.AGAIN
        assert 0.8 * seconds <= endpoint.waits_out().total_seconds() <= 1.2 * seconds
    assert endpoint.health.dead == 3


def test_a_success_between_dead_letters_begins_the_count_again() -> None:
    endpoint = Endpoint()
    for _ in range(10):
        endpoint.buries(answered(422))
        endpoint.buries(answered(422))
        endpoint.hears(answered(200))
    assert endpoint.health.dead == 0
    assert not endpoint.health.failures


def test_trouble_between_dead_letters_does_not_begin_the_count_again() -> None:
    endpoint = Endpoint()
    for _ in range(3):
        endpoint.buries(answered(422))
        endpoint.hears(TIMEOUT)
        endpoint.waits_out()
    assert endpoint.hears(answered(422)).health.until is not None
    assert endpoint.health.dead == 3


def test_a_refusal_while_the_endpoint_is_probed_is_no_recovery() -> None:
    endpoint = Endpoint()
    endpoint.hears(TIMEOUT)
    endpoint.waits_out()
    judged = endpoint.hears(answered(422))
    assert judged.verdict is Verdict.AGAIN
    assert (judged.health.failures, judged.health.at_once) == (1, 1)
    assert judged.health.failing_since == NOON


# --- disabling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [Health(), Health(failures=3, failing_since=NOON, until=NOON)])
def test_410_disables_at_once_and_gives_nothing_up(before: Health) -> None:
    judged = judge(before, HEAD, answered(410), NOON, Random(1))
    assert judged.verdict is Verdict.AGAIN
    assert judged.health.disabled == "the endpoint answered 410 Gone"
    assert judged.health.disabled_at == NOON


def test_120_h_after_the_first_failure_an_endpoint_is_disabled() -> None:
    endpoint = Endpoint()
    while not endpoint.health.disabled:
        assert endpoint.now - NOON < 121 * HOUR
        endpoint.hears(TIMEOUT)
        asked = endpoint.now
        endpoint.waits_out()
    assert asked - NOON >= 120 * HOUR
    assert endpoint.health.disabled == f"no success for 120 h ({TIMEOUT.error})"
    assert endpoint.health.disabled_at == asked


def test_a_success_begins_the_120_h_again() -> None:
    endpoint = Endpoint()
    endpoint.hears(TIMEOUT)
    endpoint.now += 119 * HOUR
    endpoint.hears(answered(200))
    endpoint.hears(TIMEOUT)
    endpoint.now += 119 * HOUR
    endpoint.hears(TIMEOUT)
    assert not endpoint.health.disabled


def test_the_held_refusals_of_120_h_disable_too() -> None:
    endpoint = Endpoint()
    for _ in range(3):
        endpoint.buries(answered(401))
    while not endpoint.health.disabled:
        endpoint.hears(answered(401))
        endpoint.waits_out()
    assert endpoint.health.disabled == "no success for 120 h (answered 401)"


@pytest.mark.parametrize("answer", [answered(200), answered(422), TIMEOUT, answered(503), OURS])
def test_what_was_under_way_does_not_enable_an_endpoint_again(answer: Answer) -> None:
    endpoint = Endpoint()
    endpoint.hears(answered(410))
    endpoint.now += SECOND
    endpoint.hears(answer)
    assert endpoint.health.disabled == "the endpoint answered 410 Gone"
    assert endpoint.health.disabled_at == NOON


# --- our own faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        Health(),
        Health(failures=9, failing_since=NOON - 200 * HOUR, until=NOON, at_once=1),
        Health(dead=3),
    ],
    ids=["well", "failing", "holding"],
)
def test_our_own_faults_are_charged_to_nobody(before: Health) -> None:
    head = Head(offset=7, attempts=4, refusals=2, server_errors=50, first_server_error=NOON - HOUR)
    judged = judge(before, head, OURS, NOON + 20 * HOUR, Random(1))
    assert judged.health == before
    assert judged.verdict is Verdict.AGAIN
    assert judged.head == replace(head, until=NOON + 20 * HOUR + 5 * SECOND)


# --- whatever comes ---------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([*TROUBLE, *REFUSALS, OURS, answered(200)]), max_size=80))
def test_whatever_is_answered_the_state_stays_sound(answers: list[Answer]) -> None:
    endpoint = Endpoint()
    for answer in answers:
        judged = endpoint.hears(answer)
        health = judged.health
        assert 1 <= health.at_once <= 4
        assert (health.failures > 0) == (health.failing_since is not None)
        assert 0 <= health.dead <= 3
        assert health.until is None or health.until - endpoint.now <= 36 * MINUTE
        if judged.verdict is Verdict.AGAIN and not health.disabled:
            assert endpoint.waits_out() > timedelta(0)
