"""The subscriptions API over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from slugline.topics import ENTRIES
from slugline_syndicate.deliveries.history import DeadLetter, encode_dead_letter
from tests.integration.syndicate_service import Service, partner, syndicate

HOOK = "http://127.0.0.1:9/hook"
ALL = "/v1/subscriptions"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with syndicate(tmp_path) as running:
        yield running


async def make(service: Service, **fields: Any) -> Any:
    return await service.call("POST", ALL, json={"url": HOOK, "blogs": ["storm"], **fields})


async def test_a_new_subscription_is_answered_with_id_secret_and_token(service: Service) -> None:
    made = await make(service, description="The evening desk")

    assert made.status == 201
    assert made.headers["Location"] == f"{ALL}/{made.body['id']}"
    assert made.headers["ETag"] == '"1"'
    assert made.body["id"].startswith("sub_")
    assert made.body["secret"].startswith("whsec_")
    assert made.body["token"].startswith("slt_")
    assert made.body["state"] == "active"


async def test_secret_and_token_are_shown_once(service: Service) -> None:
    made = (await make(service)).body

    one = await service.call("GET", f"{ALL}/{made['id']}")
    listed = await service.call("GET", ALL)

    shown = str(one.body) + str(listed.body)
    assert made["secret"] not in shown
    assert made["token"] not in shown
    assert {"secret", "token"}.isdisjoint(one.body)


async def test_the_log_holds_neither_secret_nor_token(service: Service, tmp_path: Path) -> None:
    made = (await make(service)).body

    written = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())  # noqa: ASYNC240

    assert made["id"].encode() in written
    assert made["secret"].removeprefix("whsec_").encode() not in written
    assert made["token"].encode() not in written


async def test_what_is_read_is_what_was_asked_for(service: Service) -> None:
    types = ["entry.created", "entry.deleted"]
    made = (await make(service, blogs=["storm", "vote"], types=types)).body

    read = await service.call("GET", f"{ALL}/{made['id']}")

    assert read.headers["ETag"] == '"1"'
    assert read.headers["Cache-Control"] == "no-store"
    told = {name: read.body[name] for name in ("url", "blogs", "types", "revision")}
    assert told == {"url": HOOK, "blogs": ["storm", "vote"], "types": types, "revision": 1}


async def test_lists_come_in_pages_that_hold_every_subscription_once(service: Service) -> None:
    names = {(await make(service)).body["id"] for _ in range(5)}

    first = await service.call("GET", f"{ALL}?limit=2")
    second = await service.call("GET", f"{ALL}?limit=2&after={first.body['next']}")
    third = await service.call("GET", f"{ALL}?limit=2&after={second.body['next']}")

    pages = [first.body, second.body, third.body]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert {item["id"] for page in pages for item in page["items"]} == names
    assert third.body["next"] is None


async def test_a_change_needs_the_etag_of_what_was_read(service: Service) -> None:
    made = await make(service)
    path, change = f"{ALL}/{made.body['id']}", {"description": "mine"}

    without = await service.call("PATCH", path, json=change)
    done = await service.call("PATCH", path, json=change, headers=made.etag)
    late = await service.call("PATCH", path, json={"description": "other"}, headers=made.etag)
    forced = await service.call("PATCH", path, json=change, headers={"If-Match": "*"})

    assert [a.status for a in (without, done, late, forced)] == [428, 200, 412, 200]
    assert done.body["description"] == "mine"
    assert done.headers["ETag"] == '"2"'
    assert late.headers["ETag"] == '"2"'


async def test_a_deleted_subscription_is_gone(service: Service) -> None:
    made = await make(service)
    path = f"{ALL}/{made.body['id']}"

    without = await service.call("DELETE", path)
    done = await service.call("DELETE", path, headers=made.etag)
    again = await service.call("DELETE", path, headers=made.etag)
    read = await service.call("GET", path)

    assert [a.status for a in (without, done, again, read)] == [428, 204, 404, 404]


async def test_a_subscriptions_token_opens_it_alone(service: Service) -> None:
    mine, other = (await make(service)).body, (await make(service)).body

    async def status(method: str, path: str) -> int:
        return (await service.call(method, path, token=mine["token"])).status

    assert await status("GET", f"{ALL}/{mine['id']}") == 200
    assert await status("GET", f"{ALL}/{mine['id']}/attempts") == 200
    assert await status("POST", f"{ALL}/{mine['id']}/pause") == 200
    assert await status("GET", f"{ALL}/{other['id']}") == 404
    assert await status("POST", f"{ALL}/{other['id']}/pause") == 404
    assert await status("GET", ALL) == 401
    assert await status("POST", ALL) == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ALL), ("POST", ALL), ("GET", f"{ALL}/x"), ("POST", f"{ALL}/x/test")],
)
async def test_without_a_token_nothing_is_told(service: Service, method: str, path: str) -> None:
    async with service.session.request(method, f"{service.base}{path}") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"blogs": ["storm"]}, "url", "needed"),
        ({"url": HOOK}, "blogs", "needed"),
        ({"url": HOOK, "blogs": []}, "blogs", "at least 1"),
        ({"url": HOOK, "blogs": ["Storm!"]}, "blogs[0]", "cannot name a blog"),
        ({"url": HOOK, "blogs": ["*"], "types": ["entry.made"]}, "types[0]", "no event type"),
        ({"url": HOOK, "blogs": ["*"], "types": ["subscription.test"]}, "types[0]", "no event"),
        ({"url": HOOK, "blogs": ["*"], "start": "yesterday"}, "start", "'now' or 'earliest'"),
        ({"url": HOOK, "blogs": ["*"], "urls": 1}, "urls", "no such field"),
        ([], "", "JSON object"),
    ],
)
async def test_a_mistake_is_named_by_its_field(
    service: Service, body: Any, field: str, says: str
) -> None:
    answer = await service.call("POST", ALL, json=body)

    (mistake,) = answer.body["mistakes"]
    assert answer.status == 422
    assert mistake["field"] == field
    assert says in mistake["message"]


@pytest.mark.parametrize("path", ["?limit=0", "?limit=501", "?limit=x"])
async def test_a_page_of_no_possible_size_is_refused(service: Service, path: str) -> None:
    assert (await service.call("GET", ALL + path)).status == 422


async def test_what_is_no_json_is_malformed(service: Service) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await service.call("POST", ALL, data=b'{"url": ', headers=headers)
    form = await service.call("POST", ALL, data={"url": HOOK})

    assert (answer.status, form.status) == (400, 415)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "https://10.0.0.7/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "http://partner.example/hook",
        "https://user:word@partner.example/hook",
        "ftp://partner.example/hook",
        "https://localhost/hook",
    ],
)
async def test_a_destination_that_may_not_be_reached_is_refused(tmp_path: Path, url: str) -> None:
    async with syndicate(tmp_path, egress_allow=()) as service:
        made = await make(service, url=url)
        listed = await service.call("GET", ALL)

    assert made.status == 422
    assert made.body["title"] == "Destination refused"
    assert listed.body["items"] == []


async def test_a_new_url_is_checked_like_the_first(service: Service) -> None:
    made = await make(service)
    path, change = f"{ALL}/{made.body['id']}", {"url": "https://10.0.0.7/hook"}

    answer = await service.call("PATCH", path, json=change, headers=made.etag)

    assert answer.status == 422


async def test_a_blog_that_does_not_exist_yet_can_be_subscribed_to(service: Service) -> None:
    async with partner() as them:
        await service.subscribe(them.url, "not-yet")
        await service.put("e1", "not-yet")
        received = await them.entries("e1")

    assert [each.type for each in received] == ["blog.updated", "entry.created"]


async def test_now_starts_after_what_the_log_held_and_earliest_with_its_first_event(
    service: Service,
) -> None:
    async with partner() as late, partner() as early:
        await service.put("before")
        await service.subscribe(late.url, "storm")
        await service.subscribe(early.url, "storm", start="earliest")
        await service.put("after")
        await late.entries("after")
        await early.entries("after")

    assert [each.entry for each in late.received] == ["after"]
    assert [each.entry for each in early.received] == ["", "before", "after"]


async def test_now_begins_at_the_ends_that_were_read_before_the_answer(service: Service) -> None:
    await service.put("before")
    ends = await service.log.ends([ENTRIES])

    made = (await make(service)).body

    subscription = service.views.subscriptions.get(made["id"])
    assert subscription is not None
    assert dict(subscription.start) == {tp.partition: end for tp, end in ends.items()}


async def test_a_subscription_gets_the_blogs_and_types_that_it_names(service: Service) -> None:
    async with partner() as some, partner() as all_:
        await service.subscribe(some.url, "storm", "vote", types=["entry.created"])
        await service.subscribe(all_.url, "*")
        for blog in ("storm", "vote", "court"):
            await service.put("e1", blog)
            await service.put("e1", blog, title="Another heading")
        await service.put("last", "storm")
        await some.entries("last")
        await all_.until(lambda received: len(received) == 10)

    told = {(each.body["data"]["blog"]["id"], each.type) for each in some.received}
    assert told == {("storm", "entry.created"), ("vote", "entry.created")}
    assert len(some.received) == 3


async def test_a_filter_holds_from_the_place_at_which_it_was_asked_for(service: Service) -> None:
    async with partner() as them:
        made = await service.subscribe(them.url, "storm")
        path = f"{ALL}/{made['id']}"
        await service.call("POST", f"{path}/pause")
        await service.put("s1", "storm")
        await service.put("v1", "vote")
        change = {"blogs": ["vote"]}
        await service.call("PATCH", path, json=change, headers={"If-Match": "*"})
        await service.put("s2", "storm")
        await service.put("v2", "vote")
        await service.call("POST", f"{path}/resume")
        await them.until(lambda received: {"s1", "v2"} <= {r.entry for r in received})

    assert {each.entry for each in them.received} - {""} == {"s1", "v2"}


async def test_a_new_url_takes_over_and_starts_afresh(service: Service) -> None:
    async with partner(lambda _: 503) as old, partner() as new:
        made = await service.subscribe(old.url, "storm")
        path = f"{ALL}/{made['id']}"
        await service.put("e1")
        await service.state(made["id"], lambda shown: shown["state"] == "waiting")
        await service.call("PATCH", path, json={"url": new.url}, headers={"If-Match": "*"})
        received = await new.entries("e1")
        shown = await service.state(made["id"], lambda shown: "last_success" in shown)

    assert [each.entry for each in received] == ["", "e1"]
    assert (shown["state"], "failing_since" in shown) == ("active", False)
    assert len(old.received) == 1


async def test_paused_nothing_is_sent_and_continue_sends_all_of_it(service: Service) -> None:
    async with partner() as paused, partner() as other:
        made = await service.subscribe(paused.url, "storm")
        await service.subscribe(other.url, "storm")
        told = await service.call("POST", f"{ALL}/{made['id']}/pause")
        await service.put("e1")
        await other.entries("e1")
        before = list(paused.received)
        shown = await service.call("GET", f"{ALL}/{made['id']}")
        path, mode = f"{ALL}/{made['id']}/resume", {"mode": "continue"}
        resumed = await service.call("POST", path, json=mode)
        await paused.entries("e1")

    assert told.body["state"] == "paused"
    assert before == []
    assert shown.body["waiting_events"] == 2
    assert resumed.body["state"] == "active"
    assert [each.entry for each in paused.received] == ["", "e1"]


async def test_skip_gives_up_what_came_meanwhile(service: Service) -> None:
    async with partner() as them:
        made = await service.subscribe(them.url, "storm")
        await service.call("POST", f"{ALL}/{made['id']}/pause")
        await service.put("given-up")
        await service.call("POST", f"{ALL}/{made['id']}/resume", json={"mode": "skip"})
        await service.put("after")
        await them.entries("after")

    assert [each.entry for each in them.received] == ["after"]


async def test_an_unknown_way_to_resume_is_refused(service: Service) -> None:
    made = (await make(service)).body
    path = f"{ALL}/{made['id']}/resume"

    assert (await service.call("POST", path, json={"mode": "latest"})).status == 422


async def test_a_test_is_sent_and_listed_also_while_paused(service: Service) -> None:
    async with partner() as them:
        made = await service.subscribe(them.url, "storm")
        await service.call("POST", f"{ALL}/{made['id']}/pause")
        told = await service.call("POST", f"{ALL}/{made['id']}/test")
        (received,) = await them.until(bool)
        path = f"{ALL}/{made['id']}/attempts"
        (attempt,) = await service.pages(path, lambda items: len(items) == 1)

    assert told.status == 202
    assert received.id == told.body["event"] == attempt["event"]
    assert received.type == attempt["type"] == "subscription.test"
    assert attempt["status"] == 204


async def test_attempts_come_newest_first_in_pages(service: Service) -> None:
    async with partner() as them:
        made = await service.subscribe(them.url, "storm")
        for number in range(4):
            await service.put(f"e{number}")
        await them.entries("e3")
        path = f"{ALL}/{made['id']}/attempts"
        await service.pages(path, lambda items: len(items) == 5)
        first = (await service.call("GET", f"{path}?limit=3")).body
        second = (await service.call("GET", f"{path}?limit=3&after={first['next']}")).body

    listed = [attempt["event"] for attempt in first["items"] + second["items"]]
    assert listed == [each.id for each in reversed(them.received)]
    assert set(first) == {"items", "next"}
    assert second["next"] is None


async def test_dead_letters_are_listed_newest_first_with_the_reason(service: Service) -> None:
    made = (await make(service)).body
    letters = [
        DeadLetter(
            event=f"event-{number}",
            type="entry.created",
            blog="storm",
            entry=f"e{number}",
            sequence=1_000 + number,
            partition=3,
            offset=number,
            reason="refused with 422, 3 times",
            attempts=3,
            at="2026-11-22T12:00:00Z",
        )
        for number in range(3)
    ]
    for letter in letters:
        await service.log.publish([encode_dead_letter(made["id"], letter)])

    path = f"{ALL}/{made['id']}/dead-letters"
    first = (await service.call("GET", f"{path}?limit=2")).body
    second = (await service.call("GET", f"{path}?limit=2&after={first['next']}")).body

    assert [item["event"] for item in first["items"]] == ["event-2", "event-1"]
    assert second == {
        "items": [
            {
                "event": "event-0",
                "type": "entry.created",
                "blog": "storm",
                "entry": "e0",
                "sequence": 1_000,
                "reason": "refused with 422, 3 times",
                "attempts": 3,
                "at": "2026-11-22T12:00:00Z",
            }
        ],
        "next": None,
    }


async def test_with_the_log_away_writes_are_refused_and_reads_say_that_they_are_old(
    service: Service,
) -> None:
    made = await make(service)
    path = f"{ALL}/{made.body['id']}"
    service.log.away = True

    answers = [
        await make(service),
        await service.call("POST", f"{path}/pause"),
        await service.call("POST", f"{path}/test"),
        await service.call("PATCH", path, json={"description": "x"}, headers=made.etag),
        await service.call("DELETE", path, headers=made.etag),
    ]
    read = await service.call("GET", path)

    assert [answer.status for answer in answers] == [503] * 5
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert read.status == 200
    assert read.headers["Slugline-Stale"] == "true"
    service.log.away = False
    assert (await service.call("POST", f"{path}/pause")).status == 200


async def test_the_interface_describes_itself(service: Service) -> None:
    described = await service.call("GET", "/openapi.json")
    page = await service.call("GET", "/api")

    assert set(described.body["paths"][ALL]) == {"get", "post"}
    assert set(described.body["paths"][f"{ALL}/{{id}}"]) == {"get", "patch", "delete"}
    assert page.status == 200
