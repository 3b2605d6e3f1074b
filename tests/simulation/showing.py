"""What replicas show: the same everywhere, the same after a rebuild, and what stands in the log."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from slugline.clock import Clock
from slugline.entry import Entry
from slugline.events import decode
from slugline.log import Log, StoredRecord, TopicPartition
from slugline.topics import ENTRIES, is_base
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline_syndicate.feeds.store import FeedStore
from tests.simulation.broker import Broker
from tests.simulation.reading import FORMATS
from tests.simulation.replica import Ingest, Replica, a_store
from tests.simulation.writing import nobody_mended

__all__ = ["Log", "differing"]


def differing(seed: int, broker: Broker, replicas: Sequence[Replica]) -> Iterator[str]:
    """Views that differ from each other, from one made anew, or from the log."""
    whole = _view_of(broker.journal, broker.clock)
    broker.compact()
    left = [record for p in broker.of([ENTRIES]).values() for record in p.records]
    compacted = _view_of(left, broker.clock)
    views = {replica.name: replica.entries for replica in replicas}
    views["a view of the compacted log"] = compacted
    to_be_trusted = not nobody_mended(broker.journal)
    if to_be_trusted:
        views["a view of the whole log"] = whole
    shown = {name: str(_rows(view)) for name, view in views.items()}
    yield from _unlike("shows other entries", shown)
    blog, form = _one_of(seed, whole)
    if blog:
        stores = {name: a_store(view) for name, view in views.items()}
        stores |= {replica.name: replica.feeds for replica in replicas}  # with what they remember
        feeds = {name: _feed(store, blog, form) for name, store in stores.items()}
        yield from _unlike(f"serves another {form} feed of {blog}", feeds)
    if to_be_trusted:
        yield from _untrue(broker.journal, whole)
    told = {r.name: _deliveries(r) for r in replicas if not isinstance(r, Ingest)}
    yield from _unlike("knows other subscriptions or cursors", told)


def _unlike(what: str, by_name: dict[str, str]) -> Iterator[str]:
    if len(set(by_name.values())) > 1:
        first = next(iter(by_name.values()))
        names = [name for name, said in by_name.items() if said != first]
        yield f"{', '.join(names)} {what}"


def _view_of(records: Sequence[StoredRecord], clock: Clock) -> EntriesView:
    entries = EntriesView()
    view = View(Path(":memory:"), [entries], clock)
    ours = [record for record in records if record.topic == ENTRIES]
    view.apply(ours, {TopicPartition(r.topic, r.partition): r.offset + 1 for r in ours})
    return entries


def _rows(entries: EntriesView) -> object:
    return [
        (row, entries.entries(row.blog.id), entries.newest_change(row.blog.id))
        for row in entries.blogs()
    ]


def _one_of(seed: int, entries: EntriesView) -> tuple[str, str]:
    """One blog and format for each seed: rendering is most of what a judgement costs."""
    blogs = entries.blogs()
    blog = blogs[seed % len(blogs)].blog.id if blogs else ""
    return blog, FORMATS[seed % len(FORMATS)]


def _feed(store: FeedStore, blog: str, form: str) -> str:
    document = store.document(blog, form)
    return (
        ""
        if document is None
        else f"{document.representation.tag} {document.representation.body!r}"
    )


def _untrue(journal: Sequence[StoredRecord], entries: EntriesView) -> Iterator[str]:
    """Each entry is as its newest record says."""
    newest = {r.key: r for r in journal if r.topic == ENTRIES and not is_base(r.key)}
    for key, record in newest.items():
        if record.value is None:
            continue
        subject = decode(record.headers, record.value).subject
        if isinstance(subject, Entry):
            row = entries.entry(subject.blog_id, subject.id)
            if row is None or row.entry != subject:
                yield f"{key!r} is not shown as its newest record says"


def _deliveries(replica: Replica) -> str:
    views = replica.views
    subscriptions = views.subscriptions.page("", 1000)
    cursors = [views.cursors.get(each.id) for each in subscriptions]
    letters = [
        [letter for _, letter in views.dead_letters.page(s.id, None, 1000)] for s in subscriptions
    ]
    return str((subscriptions, cursors, letters))
