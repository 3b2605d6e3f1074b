"""Bodies of webhooks."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from slugline.events import Change, EventType
from slugline_syndicate.deliveries.body import LARGEST, gap_body, own_id, render, test_body
from tests.builders import NOON, a_blog, an_entry, an_event, withdrawn

PUBLIC = "https://live.example"


def data_of(body: bytes) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(body)["data"]
    return data


def test_a_body_is_a_function_of_the_event_alone() -> None:
    event = an_event()

    assert render(event, 7, PUBLIC) == render(an_event(), 7, PUBLIC)


def test_an_entrys_body_says_whose_it_is_where_it_stands_and_what_it_says() -> None:
    event = an_event(an_entry(authors=("Mara",)), previous="before", time=NOON)

    body = orjson.loads(render(event, 7, PUBLIC))

    assert body == {
        "type": "entry.created",
        "timestamp": "2026-11-22T12:00:00Z",
        "data": {
            "sequence": 7,
            "previous": "before",
            "schema": 1,
            "blog": {"id": "storm", "url": "https://live.example/blogs/storm"},
            "entry": {
                "id": "e1",
                "url": "https://live.example/blogs/storm/entries/e1",
                "title": "Heading of e1",
                "body_html": "<p>The ferry stays in port.</p>",
                "body_text": "The ferry stays in port.",
                "authors": ["Mara"],
                "published": "2026-11-22T12:00:00Z",
                "updated": "2026-11-22T12:00:00Z",
                "revision": 1,
                "confidence": "high",
            },
        },
    }


def test_an_update_says_what_changed() -> None:
    changed = (Change.TITLE, Change.META)
    event = an_event(after="x", changed=changed, significant=False)

    data = data_of(render(event, 7, PUBLIC))

    assert (data["changed"], data["significant"]) == (["title", "meta"], False)


def test_a_withdrawal_carries_id_url_and_times_only() -> None:
    event = an_event(withdrawn("e1"), after="x", time=NOON + timedelta(hours=1))

    assert data_of(render(event, 7, PUBLIC))["entry"] == {
        "id": "e1",
        "url": "https://live.example/blogs/storm/entries/e1",
        "published": "2026-11-22T12:00:00Z",
        "withdrawn": "2026-11-22T12:00:00Z",
    }


def test_a_blogs_body_holds_the_blog_but_not_what_is_ours() -> None:
    blog = data_of(render(an_event(a_blog(lead="Gusts.")), 7, PUBLIC))["blog"]

    assert blog["lead"] == "Gusts."
    assert blog["url"] == "https://live.example/blogs/storm"
    assert "authority" not in blog


@pytest.mark.parametrize(
    ("subject", "kept", "left_out"),
    [
        (an_entry(body_text="a" * LARGEST), {"title", "authors", "revision"}, {"body_text"}),
        (an_entry(summary="a" * LARGEST), {"title", "revision"}, {"summary", "authors"}),
        (an_entry(title="a" * LARGEST), {"id", "url"}, {"title"}),
        (a_blog(lead="a" * LARGEST), {"title", "language"}, {"lead"}),
        (a_blog(description="ü" * LARGEST), {"title", "state"}, {"description", "language"}),
        (a_blog(title="a" * LARGEST), {"id", "url"}, {"title", "state"}),
    ],
)
def test_a_body_that_would_be_too_large_says_less_and_says_so(
    subject: Any, kept: set[str], left_out: set[str]
) -> None:
    more = {"authors": ("Mara",)} if hasattr(subject, "authors") else {"language": "en"}
    event = an_event(type(subject)(**{**_fields(subject), **more}))

    body = render(event, 7, PUBLIC)
    data = data_of(body)
    said = data.get("entry") or data["blog"]

    assert len(body) <= LARGEST
    assert data["truncated"] is True
    assert kept <= set(said)
    assert left_out.isdisjoint(said)
    assert (data["sequence"], data["blog"]["id"]) == (7, "storm")


def _fields(subject: Any) -> dict[str, Any]:
    return {name: getattr(subject, name) for name in type(subject).__dataclass_fields__}


def test_a_body_that_fits_is_not_truncated() -> None:
    smaller = len(render(an_event(an_entry(body_text="")), 7, PUBLIC)) + len('"body_text":"",')
    fits = an_event(an_entry(body_text="a" * (LARGEST - smaller)))
    over = an_event(an_entry(body_text="a" * (LARGEST - smaller + 1)))

    assert len(render(fits, 7, PUBLIC)) == LARGEST
    assert "truncated" not in data_of(render(fits, 7, PUBLIC))
    assert data_of(render(over, 7, PUBLIC))["truncated"] is True


def test_events_for_one_endpoint_have_the_same_id_for_the_same_reason_and_no_other() -> None:
    gap, test = EventType.SUBSCRIPTION_GAP, EventType.SUBSCRIPTION_TEST
    ids = {
        own_id(gap, "sub-1", 5, 0),
        own_id(gap, "sub-1", 5, 1),
        own_id(gap, "sub-1", 6, 0),
        own_id(gap, "sub-2", 5, 0),
        own_id(test, "sub-1", 5, 0),
    }

    assert len(ids) == 5
    assert own_id(gap, "sub-1", 5, 0) in ids
    assert test_body("s", 1, "t") == test_body("s", 1, "t")
    assert gap_body("s", 1, "t") == gap_body("s", 1, "t")


test_body.__test__ = False  # type: ignore[attr-defined]  # it is no test
