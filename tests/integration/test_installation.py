"""Whose log it is: the first installation's that starts on it, and nobody else's."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from slugline.clock import SystemClock
from slugline.errors import LogDamagedError, LogMismatchError, OtherInstallationError
from slugline.log import Log
from slugline.marks import COPY, INSTALLATION, mark, standing_marks
from slugline.topics import SPECS, provision
from slugline.view import View
from slugline_syndicate.deliveries.projections import SubscriptionsView
from slugline_syndicate.deliveries.sealing import Sealer, new_key
from slugline_syndicate.deliveries.subscription import encode_subscription
from slugline_syndicate.installation import belong, make_sure
from tests.builders import a_subscription, stored
from tests.fakes import AtOnce, ManualClock
from tests.simulation.log import Broker, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

OLD, NEW, FOREIGN = RACING = new_key(), new_key(), new_key()


@pytest.fixture
def broker() -> Broker:
    return Broker(AtOnce(), Random(1))


@pytest.fixture
async def log(broker: Broker) -> Log:
    log = SimulatedLog(broker)
    await provision(log, SystemClock(), 4)
    return log


async def test_the_first_to_start_on_a_log_marks_it_as_its_own(log: Log) -> None:
    await belong(log, Sealer(OLD))

    (key,) = await standing_marks(log)
    assert key.startswith(INSTALLATION)


async def test_replicas_with_the_same_key_share_a_log(log: Log) -> None:
    await asyncio.gather(*(belong(log, Sealer(OLD)) for _ in range(5)))
    await belong(log, Sealer(OLD))

    assert len(await standing_marks(log)) == 1


async def test_an_installation_with_another_key_is_refused_in_one_line(log: Log) -> None:
    await belong(log, Sealer(OLD))

    with pytest.raises(OtherInstallationError) as told:
        await belong(log, Sealer(FOREIGN))

    assert len(str(told.value).splitlines()) == 1
    assert "SLUGLINE_SECRET_KEY" in str(told.value)
    assert "SLUGLINE_KAFKA_PREFIX" in str(told.value)
    await belong(log, Sealer(OLD))


@pytest.mark.parametrize("seed", range(30))
def test_of_installations_that_race_for_a_log_one_gets_it_and_keeps_it(seed: int) -> None:
    async def race(loop: VirtualLoop) -> list[BaseException | None]:
        log = SimulatedLog(Broker(VirtualClock(loop), Random(seed)))
        await provision(log, VirtualClock(loop), 4)
        first = await asyncio.gather(
            *(belong(log, Sealer(key)) for key in RACING), return_exceptions=True
        )
        again = [
            (await asyncio.gather(belong(log, Sealer(key)), return_exceptions=True))[0]
            for key in RACING
        ]
        assert [type(outcome) for outcome in again] == [type(outcome) for outcome in first]
        return first

    outcomes = run_virtually(race)

    assert outcomes.count(None) == 1
    assert sum(isinstance(each, OtherInstallationError) for each in outcomes) == 2


async def test_keys_are_rotated_by_adding_one_and_later_dropping_the_old(log: Log) -> None:
    await belong(log, Sealer(OLD))
    await belong(log, Sealer(f"{NEW},{OLD}"))

    await belong(log, Sealer(NEW))

    with pytest.raises(OtherInstallationError):
        await belong(log, Sealer(OLD))


async def test_a_log_survives_compaction_with_its_mark(log: Log, broker: Broker) -> None:
    await belong(log, Sealer(OLD))
    await belong(log, Sealer(f"{NEW},{OLD}"))
    broker.compact()

    with pytest.raises(OtherInstallationError):
        await belong(log, Sealer(FOREIGN))


async def test_a_copy_that_was_not_finished_is_nobodys_log(log: Log) -> None:
    await log.publish([mark(COPY, b"{}")])

    with pytest.raises(LogDamagedError, match="a copy into it was not finished"):
        await belong(log, Sealer(OLD))


async def test_topics_that_were_never_provisioned_are_not_used(broker: Broker) -> None:
    log = SimulatedLog(broker)
    await log.ensure(SPECS, 4)

    with pytest.raises(LogMismatchError, match="slugline topics ensure"):
        await belong(log, Sealer(OLD))


async def test_a_service_waits_for_a_log_that_is_away(log: Log, broker: Broker) -> None:
    clock, broker.away = ManualClock(), True
    waiting = asyncio.create_task(make_sure(log, Sealer(OLD), clock))
    await clock.advance(60)
    assert not waiting.done()

    broker.away = False
    await clock.advance(1)
    await waiting

    assert len(await standing_marks(log)) == 1


async def test_a_service_does_not_wait_for_anothers_log_to_become_its_own(log: Log) -> None:
    await belong(log, Sealer(OLD))

    with pytest.raises(OtherInstallationError):
        await make_sure(log, Sealer(FOREIGN), ManualClock())


def test_marks_are_no_subscriptions(tmp_path: Path) -> None:
    subscriptions = SubscriptionsView()
    view = View(tmp_path / "view.db", [subscriptions], SystemClock())
    told: list[str] = []
    subscriptions.listen(told.extend)

    view.apply(
        stored(
            [
                mark(INSTALLATION + b"name", b"sealed"),
                mark(COPY, None),
                encode_subscription(a_subscription()),
            ]
        ),
        {},
    )

    assert [each.id for each in subscriptions.page("", 10)] == ["sub-1"]
    assert told == ["sub-1"]
    assert view.undecodable == 0
    view.close()
