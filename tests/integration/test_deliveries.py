"""Deliveries end to end: a real log, a real sender, a real partner on loopback."""

import asyncio
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from slugline_syndicate.deliveries.sealing import new_key
from tests.integration.syndicate_service import Received, drop_view, partner, syndicate


def ids(received: list[Received]) -> list[str]:
    return [each.entry for each in received]


async def test_the_bytes_that_arrive_are_those_that_were_signed(tmp_path: Path) -> None:
    async with syndicate(tmp_path) as service, partner() as them:
        made = await service.subscribe(them.url, start="earliest")
        await service.put("e1", title="Fährverkehr “ruht” – <b>now</b>")
        received = await them.entries("e1")

    for each in received:
        names = ("id", "timestamp", "signature")
        svix = {f"svix-{name}": each.headers[f"webhook-{name}"] for name in names}
        Webhook(made["secret"]).verify(each.raw, each.headers)
        SvixWebhook(made["secret"]).verify(each.raw, svix)
        assert each.headers["content-type"] == "application/json"


async def test_events_arrive_in_sequence_order_and_previous_chains_them(tmp_path: Path) -> None:
    async with syndicate(tmp_path) as service, partner() as them:
        for number in range(40):
            await service.put(f"e{number % 30}", title=f"Heading {number}")
        await service.subscribe(them.url, "storm", start="earliest")
        await service.put("last")
        received = await them.entries("last")

    sequences = [each.body["data"]["sequence"] for each in received]
    previous = [each.body["data"]["previous"] for each in received]
    assert sequences == sorted(set(sequences))
    assert len(received) == 42
    assert previous == [None, *(each.id for each in received[:-1])]


async def test_a_withdrawal_supersedes_what_was_not_delivered_and_its_text_is_not_sent(
    tmp_path: Path,
) -> None:
    async with syndicate(tmp_path) as service, partner() as them:
        made = await service.subscribe(them.url, "storm")
        await service.call("POST", f"/v1/subscriptions/{made['id']}/pause")
        await service.put("e1", body_text="the name of the victim")
        await service.put("e1", body_text="the name of the victim, corrected")
        await service.withdraw("e1")
        await service.put("e2")
        await service.call("POST", f"/v1/subscriptions/{made['id']}/resume")
        received = await them.entries("e2")

    assert [(each.type, each.entry) for each in received] == [
        ("blog.updated", ""),
        ("entry.deleted", "e1"),
        ("entry.created", "e2"),
    ]
    assert not any(b"victim" in each.raw for each in received)
    assert set(received[1].body["data"]["entry"]) == {"id", "url", "published", "withdrawn"}


async def test_a_body_over_64_kib_comes_truncated(tmp_path: Path) -> None:
    async with syndicate(tmp_path) as service, partner() as them:
        await service.subscribe(them.url, "storm")
        await service.put("long", body_text="a" * 70_000, body_html="<p>" + "a" * 70_000 + "</p>")
        await service.put("short")
        received = await them.entries("short")

    long, short = received[-2:]
    assert long.body["data"]["truncated"] is True
    assert "body_text" not in long.body["data"]["entry"]
    assert long.body["data"]["entry"]["title"] == "Heading of long"
    assert len(long.raw) < 64 * 1024
    assert "truncated" not in short.body["data"]


async def test_410_disables_and_resuming_goes_on_with_the_same_event(tmp_path: Path) -> None:
    gone = [True]
    async with syndicate(tmp_path) as service, partner(lambda _: 410 if gone[0] else 204) as them:
        made = await service.subscribe(them.url, "storm")
        await service.put("e1")
        shown = await service.state(made["id"], lambda s: s["state"] == "disabled")
        gone[0] = False
        await service.call("POST", f"/v1/subscriptions/{made['id']}/resume")
        received = await them.entries("e1")
        again = await service.state(made["id"], lambda s: s.get("last_success"))

    assert shown["reason"] == "the endpoint answered 410 Gone"
    assert ids(received) == ["", "", "e1"]
    assert received[0].id == received[1].id
    assert again["state"] == "active"


async def test_endpoint_trouble_gives_nothing_up_and_a_resume_does_not_wait(tmp_path: Path) -> None:
    down = [True]
    async with syndicate(tmp_path) as service, partner(lambda _: 503 if down[0] else 200) as them:
        made = await service.subscribe(them.url, "storm")
        await service.put("e1")
        shown = await service.state(made["id"], lambda s: s["state"] == "waiting")
        down[0] = False
        await service.call("POST", f"/v1/subscriptions/{made['id']}/resume")
        received = await them.entries("e1")
        dead = await service.call("GET", f"/v1/subscriptions/{made['id']}/dead-letters")

    assert shown["reason"] == "answered 503"
    assert received[0].raw == received[1].raw
    assert dead.body == {"items": [], "next": None}


async def test_a_hanging_endpoint_delays_nobody_else(tmp_path: Path) -> None:
    async with (
        syndicate(tmp_path) as service,
        partner(lambda _: None) as hanging,
        partner() as them,
    ):
        await service.subscribe(hanging.url, "*")
        await service.subscribe(them.url, "*")
        for number in range(30):
            await service.put(f"e{number}", f"blog-{number % 6}")
        received = await them.entries("e29")

    assert sorted(filter(None, ids(received))) == sorted(f"e{n}" for n in range(30))
    assert len(hanging.received) <= 4


async def test_a_restart_loses_nothing_and_what_comes_twice_is_the_same(tmp_path: Path) -> None:
    async with partner() as them:
        async with syndicate(tmp_path) as service:
            await service.subscribe(them.url, "storm")
            for number in range(20):
                await service.put(f"e{number}")
        async with syndicate(tmp_path) as service:
            await service.put("after")
            received = await them.entries("after")

    first = {each.id: each.raw for each in reversed(received)}
    assert list(dict.fromkeys(filter(None, ids(received)))) == [
        *(f"e{n}" for n in range(20)),
        "after",
    ]
    assert all(first[each.id] == each.raw for each in received)


async def test_a_view_that_was_deleted_loses_nothing(tmp_path: Path) -> None:
    async with partner() as them:
        async with syndicate(tmp_path) as service:
            await service.subscribe(them.url, "storm")
            await service.put("e1")
            await them.entries("e1")
        drop_view(tmp_path)
        async with syndicate(tmp_path) as service:
            await service.put("e2")
            received = await them.entries("e1", "e2")

    assert ids(received) == ["", "e1", "e2"]


async def test_while_the_log_is_away_nothing_is_sent_and_all_of_it_comes_later(
    tmp_path: Path,
) -> None:
    async with syndicate(tmp_path) as service, partner() as them:
        await service.subscribe(them.url, "storm")
        await service.put("e1")
        await them.entries("e1")
        service.log.away = True
        answer = await service.call("GET", "/v1/subscriptions")
        service.log.away = False
        await service.put("e2")
        received = await them.entries("e2")

    assert answer.status == 200
    assert answer.headers["Slugline-Stale"] == "true"
    assert ids(received) == ["", "e1", "e2"]


async def test_attempts_tell_what_the_endpoint_answered(tmp_path: Path) -> None:
    async with syndicate(tmp_path) as service, partner(lambda _: 503) as them:
        made = await service.subscribe(them.url, "storm")
        await service.put("e1")
        path = f"/v1/subscriptions/{made['id']}/attempts"
        (attempt,) = await service.pages(path, lambda items: len(items) >= 1)

    assert attempt == {
        "event": them.received[0].id,
        "type": "blog.updated",
        "number": 1,
        "status": 503,
        "error": None,
        "started": attempt["started"],
        "duration_ms": attempt["duration_ms"],
    }
    assert attempt["started"].endswith("Z")
    assert attempt["duration_ms"] >= 0


@pytest.mark.parametrize("status", [301, 408, 429, 500])
async def test_an_endpoint_that_is_not_well_is_waited_for(tmp_path: Path, status: int) -> None:
    async with syndicate(tmp_path) as service, partner(lambda _: status) as them:
        made = await service.subscribe(them.url, "storm")
        await service.put("e1")
        shown = await service.state(made["id"], lambda s: s["state"] == "waiting")

    assert shown["reason"] == f"answered {status}"
    assert len(them.received) == 1


async def test_a_secret_sealed_with_a_lost_key_is_our_fault_and_is_told(tmp_path: Path) -> None:
    async with partner() as them:
        async with syndicate(tmp_path) as service:
            made = await service.subscribe(them.url, "storm")
        async with syndicate(tmp_path, secret_key=new_key()) as service:
            await service.put("e1")
            path = f"/v1/subscriptions/{made['id']}"
            (attempt, *_) = await service.pages(f"{path}/attempts", lambda items: bool(items))
            shown = (await service.call("GET", path)).body
        async with syndicate(tmp_path) as service:
            received = await them.entries("e1")

    assert attempt["error"] == "sealed: sealed with a key that SLUGLINE_SECRET_KEY lacks"
    assert shown["state"] == "active"
    assert ids(received) == ["", "e1"]


async def test_a_deleted_subscription_gets_nothing_more(tmp_path: Path) -> None:
    async with syndicate(tmp_path) as service, partner() as deleted, partner() as them:
        gone = await service.subscribe(deleted.url, "storm")
        await service.subscribe(them.url, "storm")
        await service.put("e1")
        await deleted.entries("e1")
        path = f"/v1/subscriptions/{gone['id']}"
        answer = await service.call("DELETE", path, headers={"If-Match": "*"})
        await service.put("e2")
        await them.entries("e2")
        await asyncio.sleep(0)

    assert answer.status == 204
    assert ids(deleted.received) == ["", "e1"]
