"""`examples/receiver.py`, fed by a running syndicate, and by what no syndicate sends."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from examples.receiver import Outcome, Store, make_server

from slugline_syndicate.deliveries.signing import signed_headers
from tests.integration.syndicate_service import syndicate
from tests.webhook_samples import samples

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(str(tmp_path / "received.db"))) as opened:
        yield opened


@contextmanager
def serving(secret: str, store: Store) -> Iterator[str]:
    server = make_server(secret, store, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        with urlopen(Request(url, body, headers), timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def signed(body: bytes, webhook_id: str = "id-1", secret: str = SECRET) -> dict[str, str]:
    return dict(signed_headers([secret], webhook_id, datetime.now(UTC), body))


def test_what_is_signed_is_taken_and_what_is_not_is_refused(store: Store) -> None:
    body = samples()["entry.created"]
    with serving(SECRET, store) as url:
        assert post(url, body.replace(b"Ferries", b"Fairies"), signed(body)) == 401
        assert post(url, body, signed(body, secret="whsec_" + "A" * 32)) == 401
        assert post(url, body, {}) == 401
        assert store.entries("storm") == {}
        assert post(url, body, signed(body)) == 204

    assert set(store.entries("storm")) == {"e-1405"}


def event(kind: str, sequence: int, previous: str | None, **entry: Any) -> dict[str, Any]:
    data = {"blog": {"id": "storm"}, "sequence": sequence, "previous": previous, "entry": entry}
    return {"type": kind, "data": data}


def test_what_comes_twice_is_stored_once(store: Store) -> None:
    told = event("entry.created", 1, None, id="e1", title="first")

    assert store.take("a", told) == Outcome()
    assert store.take("a", told) == Outcome(again=True)


def test_the_highest_sequence_wins_whatever_comes_late(store: Store) -> None:
    store.take("b", event("entry.updated", 2, "a", id="e1", title="second"))
    store.take("a", event("entry.created", 1, None, id="e1", title="first"))

    assert store.entries("storm") == {"e1": {"id": "e1", "title": "second"}}


def test_a_withdrawn_entry_goes_and_does_not_come_back_by_something_older(store: Store) -> None:
    store.take("c", event("entry.deleted", 3, "b", id="e1"))
    store.take("a", event("entry.created", 1, None, id="e1", title="first"))

    assert store.entries("storm") == {}


def test_a_predecessor_that_never_came_is_noted(store: Store) -> None:
    outcomes = [
        store.take("a", event("entry.created", 1, None, id="e1")),
        store.take("b", event("entry.created", 2, "a", id="e2")),
        store.take("d", event("entry.created", 4, "c", id="e4")),
        store.take("e", event("entry.created", 5, "d", id="e5")),
    ]

    assert [outcome.missed for outcome in outcomes] == [False, False, True, False]


async def test_fed_by_a_running_syndicate_it_holds_what_stands_and_misses_nothing(
    store: Store, tmp_path: Path
) -> None:
    async with syndicate(tmp_path / "service") as service:
        with serving(SECRET, store) as url:
            made = await service.subscribe(url, "storm")
        with serving(made["secret"], store) as url:
            change = {"url": url}
            path = f"/v1/subscriptions/{made['id']}"
            await service.call("PATCH", path, json=change, headers={"If-Match": "*"})
            await service.put("e1", title="first")
            await service.put("e1", title="corrected")
            await service.put("e2", title="to be withdrawn")
            await service.withdraw("e2")
            await service.call("POST", f"{path}/test")
            wanted = {"entry.deleted", "subscription.test"}
            items = await service.pages(
                f"{path}/attempts", lambda items: wanted <= {item["type"] for item in items}
            )

    entries = store.entries("storm")
    assert json.dumps(entries).count("corrected") == 1
    assert set(entries) == {"e1"}
    assert {item["status"] for item in items} == {204}
