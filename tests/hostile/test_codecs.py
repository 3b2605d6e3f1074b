"""Records of any bytes: a value, or one UndecodableRecordError, and never anything else."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.events import decode, encode
from slugline.log import StoredRecord
from slugline.topics import ATTEMPTS, CURSORS, DEAD_LETTERS, ENTRIES, SOURCES, SUBSCRIPTIONS
from slugline.view import Projection, View
from slugline.view.entries import EntriesView
from slugline_ingest.fetching import Trouble
from slugline_ingest.sources import Source, SourceId, decode_source, encode_source
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Gift, Report, Result, decode_report, encode_report
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor, encode_cursor
from slugline_syndicate.deliveries.policy import Head, Health
from slugline_syndicate.deliveries.runtime import DeliveryViews
from slugline_syndicate.deliveries.subscription import (
    Order,
    OrderKind,
    decode_subscription,
    encode_subscription,
)
from tests.builders import (
    NOON,
    a_blog,
    a_subscription,
    an_entry,
    an_event,
    base_records,
    stored,
    withdrawn,
)
from tests.fakes import ManualClock

A_SOURCE = Source(
    blog_id=BlogId("storm"),
    id=SourceId("page"),
    url="https://x.example/",
    interval=15,
    changed=NOON,
)
A_REPORT = Report(
    at=NOON,
    next=NOON,
    of=NOON,
    result=Result.FAILED,
    trouble=Trouble.GONE,
    status=410,
    reason="gone",
    failures=2,
    gave=Gift(at=NOON, created=3),
)
HEADERS = encode(an_event()).headers

#: Everything that reads a record's value, by what it reads.
READERS: dict[str, Callable[[bytes], object]] = {
    "event": lambda value: decode(HEADERS, value),
    "cursor": lambda value: decode_cursor("sub-1", value),
    "subscription": decode_subscription,
    "source": lambda value: decode_source("storm", "page", value),
    "report": decode_report,
}

#: Values as we write them, by the reader that they are for.
WRITTEN: dict[str, list[bytes]] = {
    "event": [
        encode(an_event(subject)).value or b""
        for subject in (an_entry(tags=("a",), revision=3), withdrawn(), a_blog())
    ],
    "cursor": [
        encode_cursor(
            Cursor(
                subscription_id="sub-1",
                epoch=7,
                positions={0: 1, 3: 2},
                health=Health(failing_since=NOON, failures=3, until=NOON, reason="timeout"),
                heads={3: Head(offset=2, attempts=1, until=NOON)},
                gaps={0: 9},
            )
        ).value
        or b""
    ],
    "subscription": [
        encode_subscription(
            a_subscription(
                start={0: 5},
                orders=(Order(number=1, kind=OrderKind.SKIP, at=NOON, positions={0: 9}),),
            )
        ).value
        or b""
    ],
    "source": [encode_source(A_SOURCE).value or b""],
    "report": [encode_report(A_REPORT)],
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    """*value* with something in it replaced or left out, at any depth."""
    whole = {"": orjson.loads(value)}
    parent: Any = whole
    name: Any = ""
    while isinstance(parent[name], dict | list) and parent[name] and draw(st.booleans()):
        parent = parent[name]
        name = draw(
            st.sampled_from(list(parent if isinstance(parent, dict) else range(len(parent))))
        )
    if name != "" and draw(st.booleans()):
        del parent[name]
    else:
        parent[name] = draw(JSON)
    return orjson.dumps(whole[""])


def read(name: str, value: bytes) -> object | None:
    """What is read from *value*; None where it is undecodable."""
    try:
        return READERS[name](value)
    except UndecodableRecordError:
        return None


@pytest.mark.parametrize("name", READERS)
@given(value=st.binary() | JSON.map(orjson.dumps))
@settings(max_examples=200)
def test_any_bytes_are_a_value_or_undecodable(name: str, value: bytes) -> None:
    read(name, value)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=400)
def test_a_damaged_value_is_a_value_or_undecodable(name: str, data: st.DataObject) -> None:
    value = data.draw(damaged(data.draw(st.sampled_from(WRITTEN[name]))))
    read(name, value)


@pytest.mark.parametrize("name", READERS)
def test_values_as_we_write_them_are_read(name: str) -> None:
    """So the damage above is what is refused."""
    assert all(read(name, value) is not None for value in WRITTEN[name])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("value", [b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_a_value_that_is_too_deep_is_undecodable(name: str, value: bytes) -> None:
    assert read(name, value) is None


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([name for name, _ in HEADERS]) | st.text(), st.binary())
    )
)
@settings(max_examples=300)
def test_any_headers_are_an_envelope_or_undecodable(headers: list[tuple[str, bytes]]) -> None:
    with suppress(UndecodableRecordError):
        decode((*HEADERS, *headers), WRITTEN["event"][0])
    with suppress(UndecodableRecordError):
        decode(tuple(headers), WRITTEN["event"][0])


# --- a view that is given such records --------------------------------------------------------------


def opened(folder: Path) -> tuple[View, EntriesView]:
    """A view of everything that any process keeps."""
    entries = EntriesView()
    projections: list[Projection] = [entries, SourcesView(), *DeliveryViews.make().all]
    return View(folder / "view.db", projections, ManualClock()), entries


KEYS = {
    ENTRIES: (b"storm|e1", "event"),
    SUBSCRIPTIONS: (b"sub-1", "subscription"),
    CURSORS: (b"sub-1", "cursor"),
    SOURCES: (b"storm|page", "source"),
}


@pytest.mark.parametrize("topic", [*KEYS, DEAD_LETTERS, ATTEMPTS])
@given(data=st.data())
@settings(max_examples=100)
def test_a_view_keeps_records_that_it_cannot_read_aside_and_goes_on(
    topic: str, data: st.DataObject
) -> None:
    """Whatever stands in them: no record may stop the tail, or have the view dropped as damaged."""
    key, name = KEYS.get(topic, (b"sub-1|event", "event"))
    bad = data.draw(damaged(data.draw(st.sampled_from(WRITTEN[name]))) | st.binary())
    key = data.draw(st.sampled_from([key, b"", b"|", b"\xff|\xff"]) | st.binary())
    following = stored([an_event(an_entry("e9"))], start=2)
    with TemporaryDirectory() as folder:
        view, entries = opened(Path(folder))
        view.apply(
            [
                *base_records(),
                StoredRecord(
                    topic=topic, partition=0, offset=1, written_at=NOON, key=key, value=bad,
                    headers=HEADERS,
                ),
                *following,
            ]
        )  # fmt: skip
        assert entries.entry("storm", "e9")
        positions = dict(view.positions)
        view.close()

        again, entries = opened(Path(folder))
        assert again.positions == positions
        assert entries.entry("storm", "e9")
        again.close()
