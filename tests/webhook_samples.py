"""A real body of each event, made by the code that makes them, for the document and the schemas.

`python -m tests.webhook_samples` writes them into `docs/webhooks.md`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import finalize

import orjson

from slugline.blog import Blog, BlogId, BlogState
from slugline.clock import rfc3339
from slugline.entry import Entry, EntryId, Media, Related
from slugline.events import Event, EventType, encode
from slugline.log import TopicPartition
from slugline.topics import ENTRIES
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline_ingest.plan import Plan, State
from slugline_syndicate.deliveries.body import gap_body, render_stored, test_body
from tests.builders import base_records, stored
from tests.fakes import ManualClock

DOCUMENT = Path(__file__).parents[1] / "docs" / "webhooks.md"
PUBLIC = "https://live.example"
SUBSCRIPTION = "sub_1f0c8a3e5b7d92460a1c"
START = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)

BLOG = Blog(
    id=BlogId("storm"),
    authority="live.example",
    title="Storm over the northern coast",
    lead="A storm with gusts of up to 130 km/h is crossing the coast.",
    language="en",
    timezone="Europe/Berlin",
    link="https://news.example/live/storm",
)
ENTRY = Entry(
    blog_id=BLOG.id,
    id=EntryId("e-1405"),
    title="Ferries stay in port",
    body_html="<p>All ferries to the islands stay in port until Monday.</p>",
    body_text="All ferries to the islands stay in port until Monday.",
    authors=("Mara Lind",),
    link="https://news.example/live/storm#e-1405",
    media=(
        Media(
            url="https://news.example/img/harbour.jpg",
            width=1600,
            height=900,
            alt="Ferries at the quay",
            credit="J. Ohm",
        ),
    ),
    related=(Related(title="What the islands store", link="https://news.example/islands"),),
    tags=("traffic",),
    key_event=True,
    published=START,
    updated=START,
)


def events() -> list[Event]:
    """A blog's life in five events."""
    corrected = replace(
        ENTRY,
        title="Ferries stay in port until Tuesday",
        body_html="<p>All ferries to the islands stay in port until Tuesday.</p>",
        body_text="All ferries to the islands stay in port until Tuesday.",
        updated=START + timedelta(minutes=20),
    )
    told: list[Event] = []
    view = _View()
    steps: tuple[Callable[[Plan], None], ...] = (
        lambda plan: plan.put_blog(BLOG),
        lambda plan: plan.put_entry(ENTRY),
        lambda plan: plan.put_entry(corrected),
        lambda plan: plan.withdraw(plan.state.entries[ENTRY.id], "api"),
        lambda plan: plan.put_blog(replace(BLOG, state=BlogState.CLOSED)),
    )
    for number, step in enumerate(steps):
        plan = Plan(view.state(), START + timedelta(minutes=20 * max(0, number - 1)))
        step(plan)
        view.apply(plan.events)
        told += plan.events
    return told


class _View:
    """A view of one partition, to which events are applied one by one."""

    def __init__(self) -> None:
        self.entries = EntriesView()
        self._view = View(Path(":memory:"), [self.entries], ManualClock(START))
        finalize(self, self._view.close)
        self._view.apply(base_records(1), {TopicPartition(ENTRIES, 0): 1})
        self._end = 1

    def state(self) -> State:
        rows = {row.entry.id: row for row in self.entries.entries(BLOG.id)}
        return State(
            blog=self.entries.blog(BLOG.id),
            entries=rows,
            newest=self.entries.newest_event(BLOG.id),
        )

    def apply(self, told: list[Event]) -> None:
        records = stored([encode(event) for event in told], partitions=1, start=self._end)
        self._end += len(records)
        self._view.apply(records, {TopicPartition(ENTRIES, 0): self._end})

    def body(self, offset: int) -> bytes:
        found = self.entries.event_at(0, offset)
        assert found is not None
        rendered = render_stored(found, PUBLIC)
        assert rendered is not None
        return rendered


def samples() -> dict[str, bytes]:
    """The body of each event type, as it is sent."""
    view, bodies = _View(), {}
    for number, event in enumerate(events(), start=1):
        view.apply([event])
        bodies[event.type.value] = view.body(number)
    at = rfc3339(START)
    bodies[EventType.SUBSCRIPTION_TEST.value] = test_body(SUBSCRIPTION, 1, at)
    sequence = orjson.loads(bodies["entry.created"])["data"]["sequence"]
    bodies[EventType.SUBSCRIPTION_GAP.value] = gap_body(SUBSCRIPTION, sequence, at)
    return bodies


def block(kind: str, body: bytes) -> str:
    """How the document shows *body*."""
    pretty = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    return f"<!-- body: {kind} -->\n```json\n{pretty}\n```"


def main() -> None:
    text = DOCUMENT.read_text()
    for kind, body in samples().items():
        pattern = rf"<!-- body: {re.escape(kind)} -->\n```json\n.*?\n```"
        shown = block(kind, body).replace("\\", r"\\")  # a template, for `re`
        text = re.sub(pattern, shown, text, flags=re.DOTALL)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
