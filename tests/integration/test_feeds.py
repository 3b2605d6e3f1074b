"""Feeds as readers get them: valid, the same to every reader, cheap to poll, and a function of the log alone."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from slugline.blog import Blog, BlogState
from slugline.entry import Entry, Media, MediaKind, Related, Withdrawal
from slugline.log import Record, StoredRecord
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES, is_base, provision
from slugline.view import View
from slugline.view.entries import EntriesView, EntryRow
from slugline.view.tail import Tail
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.formats import Place
from slugline_syndicate.feeds.store import FeedStore
from tests.builders import BASE, NOON, a_blog, an_entry, an_event, stored, withdrawn
from tests.fakes import ManualClock
from tests.reading import (
    FORMATS,
    PUBLIC,
    Answer,
    Newsroom,
    Site,
    atom_mistakes,
    feed_of,
    open_site,
    parsed,
)
from tests.rss_rules import broken_rules

ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
HOUR = timedelta(hours=1)

both = pytest.mark.parametrize("name", ["atom", "rss"])


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    opened = Newsroom(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def site(newsroom: Newsroom) -> AsyncIterator[Site]:
    async with open_site(newsroom) as opened:
        yield opened


def storm(**fields: Any) -> Blog:
    known: dict[str, Any] = {
        "title": "Storm & <sea>",
        "description": "Gales over the coast.",
        "lead": "First.\n\nSecond.",
        "language": "en-GB",
    }
    return a_blog(**{**known, **fields})


def full_entry(entry_id: str = "full") -> Entry:
    """An entry with everything that an entry can have."""
    return an_entry(
        entry_id,
        title='Ferry <b>"Ulla"</b> & crew',
        body_html='<p>She stays &amp; waits: <a href="https://x.example/?a=1&amp;b=2">why</a></p>',
        body_text="She stays & waits: why",
        summary="In short: she stays.",
        authors=("Ada Quill", "Bo <Ink>"),
        link="https://news.example/ferry?a=1&b=2",
        media=(
            Media(url="https://x.example/u.jpg", alt="A ferry", caption="“Ulla”", credit="A. Q."),
            Media(caption="A picture that was only described"),
            Media(url="https://x.example/v", kind=MediaKind.EMBED),
        ),
        related=(Related(title="Why ferries stop", summary="Wind.", link="https://x.example/w"),),
        tags=("ferries", "harbour & coast"),
        key_event=True,
        published=NOON + timedelta(seconds=1, microseconds=250_000),
        updated=NOON + timedelta(minutes=5, microseconds=1),
        revision=2,
    )


def atom_of(newsroom: Newsroom) -> etree._Element:
    return etree.fromstring(newsroom.feed("atom"))


def assert_valid(newsroom: Newsroom, blog_id: str = "storm") -> None:
    atom, rss = newsroom.feed("atom", blog_id), newsroom.feed("rss", blog_id)
    assert atom_mistakes(atom) == []
    assert broken_rules(rss) == []
    in_atom, in_rss = parsed(atom), parsed(rss)
    for field in ("id", "title", "published_parsed", "updated_parsed", "link"):
        assert [e[field] for e in in_atom.entries] == [e[field] for e in in_rss.entries], field
    contents = [entry.content[0].value for entry in in_atom.entries]
    assert contents == [entry.description for entry in in_rss.entries]
    assert all(
        e.title.strip() and c.strip() for e, c in zip(in_atom.entries, contents, strict=True)
    )
    assert in_atom.feed.title == in_rss.feed.title
    assert in_atom.feed.updated_parsed == in_rss.feed.updated_parsed


# --- validity -------------------------------------------------------------------------------------


def test_a_feed_of_an_empty_blog_is_valid(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(title=""))

    assert_valid(newsroom)


def test_a_feed_of_every_kind_of_entry_is_valid(newsroom: Newsroom) -> None:
    newsroom.says(
        storm(),
        full_entry(),
        an_entry("untitled", title=None),
        an_entry("bare", title=None, body_html="", body_text=""),
        an_entry(
            "caption", title=None, body_html="", body_text="", media=(Media(caption="A quay"),)
        ),
        an_entry("gone"),
    )
    newsroom.says(withdrawn("gone"))

    assert_valid(newsroom)
    assert len(parsed(newsroom.feed("rss")).entries) == 5


@pytest.mark.parametrize("state", list(BlogState))
def test_a_feed_is_valid_whatever_state_its_blog_is_in(
    newsroom: Newsroom, state: BlogState
) -> None:
    newsroom.says(storm(state=state), full_entry())

    assert_valid(newsroom)


anything = st.text(max_size=80)
nasty = st.sampled_from(
    [
        "]]>",
        "\x00\x1f\x7f",
        "\ufffe\uffff",
        "🌊👩‍🚒",
        "مرحبا بكم",
        "\u202e\u2066",
        "&amp;&lt;&#0;",
        "\"'>",
        "</title></feed>",
    ]
)
texts = st.one_of(anything, nasty, st.just(""))
links = st.one_of(st.none(), texts.map(lambda text: f"https://x.example/{text}"))


@st.composite
def hostile_entries(draw: st.DrawFn) -> Entry:
    """Entries as they might come past a sanitiser that failed. (The log's JSON has no lone surrogates.)"""
    body = draw(texts)
    return an_entry(
        "e1",
        title=draw(st.one_of(st.none(), texts)),
        body_html=f"<p>{draw(st.sampled_from(['', 'x']))}</p>" + body.replace("<", "&lt;"),
        body_text=body,
        summary=draw(texts),
        authors=tuple(draw(st.lists(texts, max_size=2))),
        tags=tuple(draw(st.lists(texts, max_size=2))),
        link=draw(links),
        media=(Media(url=draw(links), alt=draw(texts), caption=draw(texts), credit=draw(texts)),),
        related=(Related(title=draw(texts), summary=draw(texts), link=draw(links)),),
    )


@settings(max_examples=60)
@given(hostile_entries(), texts, texts)
def test_no_text_breaks_a_feed(entry: Entry, title: str, language: str) -> None:
    with TemporaryDirectory() as folder:
        newsroom = Newsroom(Path(folder))
        newsroom.says(storm(title=title, lead=title, language=language), entry, an_entry("good"))

        atom, rss = newsroom.feed("atom"), newsroom.feed("rss")

        assert atom_mistakes(atom) == []
        assert [rule for rule in broken_rules(rss) if "absolute" not in rule] == []
        for document in (atom, rss):
            shown = etree.fromstring(document)
            found = {element.text for element in shown.iter(f"{ATOM}id", "guid")}
            assert "tag:news.example,2026:storm/e1" in found
            assert "tag:news.example,2026:storm/good" in found
        newsroom.close()


class FailingAtom(Atom):
    """Atom that cannot take one entry, in a way that nobody foresaw."""

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        if row.entry.id == "bad":
            raise ValueError("All strings must be XML compatible")
        return super().entry(blog, row, place)


def test_an_entry_that_cannot_be_rendered_costs_only_itself_and_is_counted(
    newsroom: Newsroom,
) -> None:
    newsroom.says(storm(), an_entry("bad"), an_entry("good"))
    metrics = Metrics()
    store = FeedStore(newsroom.entries, [FailingAtom()], PUBLIC, metrics)

    document = feed_of(store, "atom")

    assert [entry.id[-4:] for entry in parsed(document).entries] == ["good"]
    assert metrics.registry.get_sample_value("slugline_render_failures_total") == 1


def test_a_huge_entry_leaves_room_for_the_others(newsroom: Newsroom) -> None:
    text = "<&>" * 1_000_000
    newsroom.says(storm(), an_entry("small"))
    newsroom.says(an_entry("huge", body_html=f"<p>{text}</p>", body_text=text), at=NOON + HOUR)

    assert [entry.id[-5:] for entry in parsed(newsroom.feed("rss")).entries] == ["/huge", "small"]


# --- what stands in it ----------------------------------------------------------------------------


def test_atom_has_all_there_is_to_an_entry(newsroom: Newsroom) -> None:
    newsroom.says(storm(), full_entry())
    (entry,) = parsed(newsroom.feed("atom")).entries
    page = f"{PUBLIC}/blogs/storm/entries/full"

    assert entry.id == "tag:news.example,2026:storm/full"
    assert entry.title == 'Ferry <b>"Ulla"</b> & crew'
    assert entry.published == "2026-11-22T12:00:01.250000+00:00"
    assert entry.updated == "2026-11-22T12:05:00.000001+00:00"
    assert entry.summary == "In short: she stays."
    assert [author.name for author in entry.authors] == ["Ada Quill", "Bo <Ink>"]
    assert [tag.term for tag in entry.tags] == ["key-event", "ferries", "harbour & coast"]
    assert [(link.rel, link.href, link.get("type")) for link in entry.links] == [
        ("alternate", page, "text/html"),
        ("via", "https://news.example/ferry?a=1&b=2", "text/html"),
        ("enclosure", "https://x.example/u.jpg", "image/jpeg"),
    ]
    for shown in ("She stays &amp; waits", "“Ulla” (A. Q.)", "only described", "Why ferries stop"):
        assert shown in entry.content[0].value


def test_rss_has_all_there_is_to_an_entry(newsroom: Newsroom) -> None:
    newsroom.says(storm(), full_entry())
    document = newsroom.feed("rss")
    item = etree.fromstring(document).find("channel/item")
    assert item is not None

    assert item.findtext("guid") == "tag:news.example,2026:storm/full"
    assert item.findtext("pubDate") == "Sun, 22 Nov 2026 12:00:01 +0000"
    assert item.findtext(f"{ATOM}updated") == "2026-11-22T12:05:00.000001Z"
    assert [e.text for e in item.findall("category")] == ["key-event", "ferries", "harbour & coast"]
    names = [e.text for e in item.findall("{http://purl.org/dc/elements/1.1/}creator")]
    assert names == ["Ada Quill", "Bo <Ink>"]
    (enclosure,) = item.findall("enclosure")
    assert dict(enclosure.items()) == {
        "url": "https://x.example/u.jpg",
        "length": "0",
        "type": "image/jpeg",
    }
    assert b"<title>Ferry &#x3C;b&gt;" in document


@both
def test_the_feed_says_what_it_is(newsroom: Newsroom, name: str) -> None:
    newsroom.says(storm(), at=NOON + HOUR)
    found = parsed(newsroom.feed(name)).feed

    assert found.title == "Storm & <sea>"
    assert found.subtitle == "Gales over the coast.\n\nFirst.\n\nSecond."
    assert found.language == "en-GB"
    assert found.link == f"{PUBLIC}/blogs/storm"
    assert found.updated_parsed[:5] == (2026, 11, 22, 13, 0)
    selves = [link.href for link in found.links if link.rel == "self"]
    assert selves == [f"{PUBLIC}/blogs/storm/feed.{name}"]


def test_an_atom_feed_has_an_author_and_an_id(newsroom: Newsroom) -> None:
    newsroom.says(storm())
    feed = atom_of(newsroom)

    assert feed.findtext(f"{ATOM}id") == "tag:news.example,2026:storm"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Storm & <sea>"


@both
def test_feed_level_dates_are_the_newest_change(newsroom: Newsroom, name: str) -> None:
    newsroom.says(storm(), an_entry("a"), an_entry("b"))

    changes: list[Entry | Blog] = [an_entry("a", title="Corrected"), withdrawn("b")]
    for hours, change in enumerate([*changes, storm(title="Gale")], start=1):
        newsroom.says(change, at=NOON + hours * HOUR)
        assert parsed(newsroom.feed(name)).feed.updated_parsed[3] == 12 + hours


def test_a_live_feed_invites_often_and_a_closed_one_daily(newsroom: Newsroom) -> None:
    newsroom.says(storm())
    assert etree.fromstring(newsroom.feed("rss")).findtext("channel/ttl") == "1"

    newsroom.says(storm(state=BlogState.CLOSED))
    assert etree.fromstring(newsroom.feed("rss")).findtext("channel/ttl") == "1440"


def test_namespaces_are_declared_once(newsroom: Newsroom) -> None:
    newsroom.says(storm(), full_entry("a"), full_entry("b"), an_entry("gone"))
    newsroom.says(withdrawn("gone"))

    for name, count in (("atom", 2), ("rss", 3)):
        assert newsroom.feed(name).count(b"xmlns") == count


def test_a_withdrawn_entry_is_a_tombstone_and_a_stub_under_the_same_id(newsroom: Newsroom) -> None:
    secret = an_entry("gone", title="SECRET", body_html="<p>SECRET</p>", body_text="SECRET")
    newsroom.says(storm(), secret, an_entry("stays"))
    at = NOON + 2 * HOUR + timedelta(microseconds=7)
    taken = Withdrawal(by="api", at=at)
    newsroom.says(withdrawn("gone", withdrawn=taken, updated=NOON), at=at)

    feed = atom_of(newsroom)
    (tombstone,) = feed.findall(TOMBSTONE)
    stub = {e.findtext(f"{ATOM}id"): e for e in feed.findall(f"{ATOM}entry")}[tombstone.get("ref")]

    assert tombstone.get("ref") == "tag:news.example,2026:storm/gone"
    assert datetime.fromisoformat(tombstone.get("when") or "") == at
    assert datetime.fromisoformat(stub.findtext(f"{ATOM}updated") or "") == at
    assert stub.findtext(f"{ATOM}title") == "Withdrawn"
    assert stub.findtext(f"{ATOM}content") == "<p>This entry was withdrawn.</p>"
    for name in ("atom", "rss"):
        assert b"SECRET" not in newsroom.feed(name)
    stub_in_rss = {e.id: e for e in parsed(newsroom.feed("rss")).entries}[tombstone.get("ref")]
    assert stub_in_rss.updated_parsed[3] == 14


def test_an_entry_that_comes_back_has_no_tombstone(newsroom: Newsroom) -> None:
    newsroom.says(storm(), an_entry("e1"))
    newsroom.says(withdrawn("e1"), at=NOON + HOUR)
    newsroom.says(an_entry("e1", updated=NOON + 2 * HOUR), at=NOON + 2 * HOUR)

    assert atom_of(newsroom).findall(TOMBSTONE) == []


@both
def test_an_edit_keeps_id_and_publication_and_changes_the_rest(
    newsroom: Newsroom, name: str
) -> None:
    newsroom.says(storm(), an_entry("e1"))
    (before,) = parsed(newsroom.feed(name)).entries
    edited = an_entry("e1", title="Corrected", updated=NOON + HOUR, revision=2)
    newsroom.says(edited, at=NOON + HOUR)
    (after,) = parsed(newsroom.feed(name)).entries

    assert (after.id, after.published) == (before.id, before.published)
    assert (after.title, after.updated_parsed[3]) == ("Corrected", 13)


# --- the same bytes -------------------------------------------------------------------------------


def a_day(newsroom: Newsroom) -> None:
    """Coverage with everything that happens to entries, in two blogs."""
    newsroom.says(storm(), a_blog("vote", title="Vote"), full_entry(), an_entry("x", "vote"))
    newsroom.says(*(an_entry(f"e{n}", published=NOON + n * HOUR / 60) for n in range(70)), apart=30)
    newsroom.says(an_entry("e3", title="Corrected"), withdrawn("e5"), at=NOON + HOUR)
    newsroom.says(storm(title="Gale"), withdrawn("e6"), an_entry("y", "vote"), at=NOON + 2 * HOUR)
    newsroom.says(an_entry("e6", title="Back"), at=NOON + 3 * HOUR)


def shown_by(newsroom: Newsroom) -> list[tuple[str, bytes]]:
    """Bytes and tags of all feeds."""
    store = newsroom.store()
    found = []
    for blog_id in ("storm", "vote"):
        for form in FORMATS:
            document = store.document(blog_id, form.name)
            assert document is not None
            found.append((document.representation.tag, document.representation.body))
    return found


def again(folder: Path, records: list[StoredRecord], clock: ManualClock | None = None) -> Newsroom:
    newsroom = Newsroom(folder, clock)
    newsroom.view.reset()
    newsroom.records = []
    newsroom.read(records)
    return newsroom


def test_a_rebuilt_view_gives_the_same_bytes(newsroom: Newsroom, tmp_path: Path) -> None:
    a_day(newsroom)
    rebuilt = again(tmp_path / "again", newsroom.records)

    assert shown_by(rebuilt) == shown_by(newsroom)
    rebuilt.close()


def test_fragments_that_were_kept_give_the_same_bytes_as_fresh_ones(newsroom: Newsroom) -> None:
    store = newsroom.store()
    newsroom.says(storm(), full_entry())
    for _ in range(2):
        feed_of(store, "atom")
        a_day(newsroom)

    assert feed_of(store, "atom") == newsroom.feed("atom")


def test_fragments_of_another_authority_are_not_used(newsroom: Newsroom) -> None:
    newsroom.says(storm(), an_entry("e1"))
    store = newsroom.store()
    feed_of(store, "atom")

    newsroom.says(storm(authority="other.example"))

    assert feed_of(store, "atom") == newsroom.feed("atom")


def test_another_order_of_partitions_gives_the_same_bytes(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    a_day(newsroom)
    by_partition = sorted(newsroom.records, key=lambda r: (-r.partition, r.offset))
    other = again(tmp_path / "other", by_partition)

    assert shown_by(other) == shown_by(newsroom)
    other.close()


def test_another_clock_gives_the_same_bytes(newsroom: Newsroom, tmp_path: Path) -> None:
    a_day(newsroom)
    late = ManualClock(datetime(2041, 1, 1, tzinfo=UTC))
    other = again(tmp_path / "late", newsroom.records, late)

    assert shown_by(other) == shown_by(newsroom)
    other.close()


async def test_a_forced_compaction_of_the_log_gives_the_same_bytes(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    """Over the embedded log, whose records are really gone afterwards."""
    a_day(newsroom)
    clock = ManualClock()
    async with open_log(tmp_path / "log.db", clock) as log:
        await provision(log, clock, 4)
        await log.publish(
            [again_for(record) for record in newsroom.records if not is_base(record.key)]
        )
        before = await shown_from(log, tmp_path / "before.db", clock)
        await log.compact(force=True)
        after = await shown_from(log, tmp_path / "after.db", clock)

    assert after == before
    assert len(before) == 4


def again_for(stored_record: StoredRecord) -> Record:
    """*stored_record*, to be published to another log."""
    return Record(
        topic=stored_record.topic,
        key=stored_record.key,
        value=stored_record.value,
        headers=stored_record.headers,
        partition_key=stored_record.key.partition(b"|")[0],
    )


async def shown_from(log: Any, path: Path, clock: ManualClock) -> list[tuple[str, bytes]]:
    """Bytes and tags of all feeds, from a view that is built from *log* now."""
    entries = EntriesView()
    view = View(path, [entries], clock)
    tail = Tail(log, view, clock)
    task = asyncio.create_task(tail.run())
    await tail.catch_up([ENTRIES])
    store = FeedStore(entries, FORMATS, PUBLIC, Metrics())
    documents = [store.document(blog, f.name) for blog in ("storm", "vote") for f in FORMATS]
    task.cancel()
    await asyncio.wait([task])
    view.close()
    return [(d.representation.tag, d.representation.body) for d in documents if d]


def test_a_view_of_another_log_leaves_nothing_of_the_first(newsroom: Newsroom) -> None:
    newsroom.says(storm(), an_entry("e1"))
    store = newsroom.store()
    feed_of(store, "atom")

    newsroom.view.reset()

    assert store.document("storm", "atom") is None


async def test_the_host_header_is_not_in_the_bytes(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), full_entry())

    answer = await site.ask("/blogs/storm/feed.atom", Host="evil.example", X_Forwarded_Host="evil")

    assert answer.body == newsroom.feed("atom")
    assert b"evil" not in answer.raw
    assert "evil" not in str(answer.headers)


def test_the_public_url_is_in_every_address(newsroom: Newsroom) -> None:
    newsroom.says(storm(), full_entry())
    document = feed_of(newsroom.store("https://other.example/live"), "rss")

    assert PUBLIC.encode() not in document
    assert b"https://other.example/live/blogs/storm/entries/full" in document


# --- HTTP -----------------------------------------------------------------------------------------


@both
async def test_an_answer_says_how_long_it_is_good_and_whose_it_is(
    newsroom: Newsroom, site: Site, name: str
) -> None:
    newsroom.says(storm(), full_entry(), at=NOON + timedelta(seconds=5, microseconds=900_000))

    answer = await site.ask(f"/blogs/storm/feed.{name}")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"application/{name}+xml; charset=utf-8"
    assert answer.headers["Last-Modified"] == "Sun, 22 Nov 2026 12:00:05 GMT"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Link"] == f'<{PUBLIC}/blogs/storm/feed.{name}>; rel="self"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(answer.raw))
    cache = dict(re.findall(r"([a-z-]+)=(\d+)", answer.headers["Cache-Control"]))
    assert 0 < int(cache["max-age"]) <= 60
    assert int(cache["stale-while-revalidate"]) > 0


async def test_the_tag_is_sequence_hash_and_coding(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), full_entry())
    newest = newsroom.records[-1]

    plain = await site.ask("/blogs/storm/feed.atom")
    zipped = await site.ask("/blogs/storm/feed.atom", Accept_Encoding="gzip")
    tag, coding = plain.headers["ETag"].rsplit("-", 1)

    assert re.fullmatch(rf'"{BASE + newest.offset}-[0-9a-f]{{16}}', tag)
    assert coding == 'identity"'
    assert zipped.headers["ETag"] == f'{tag}-gzip"'


def test_the_hash_in_the_tag_follows_every_byte(newsroom: Newsroom) -> None:
    """What another version or public URL changes while the log stays: head, entries, their order."""

    def digest(store: FeedStore) -> str:
        document = store.document("storm", "atom")
        assert document is not None
        return document.representation.tag.split("-")[1]

    newsroom.says(storm(), an_entry("a"), an_entry("b"))
    same, elsewhere = newsroom.store(), newsroom.store("https://other.example")

    assert digest(same) == digest(newsroom.store())
    assert digest(same) != digest(elsewhere)
    assert digest(FeedStore(newsroom.entries, [FailingAtom()], PUBLIC, Metrics())) == digest(same)
    newsroom.says(an_entry("bad"))
    fewer = FeedStore(newsroom.entries, [FailingAtom()], PUBLIC, Metrics())
    assert digest(fewer) != digest(newsroom.store())


async def test_every_change_changes_the_tag_also_within_a_second(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(), an_entry("a"), an_entry("b"))
    tags = [(await site.ask("/blogs/storm/feed.rss")).headers["ETag"]]
    for change in (
        an_entry("a", title="Corrected"),
        withdrawn("b"),
        an_entry("b"),
        storm(lead="x"),
    ):
        newsroom.says(change)
        tags.append((await site.ask("/blogs/storm/feed.rss")).headers["ETag"])

    assert len(set(tags)) == 5
    sequences = [int(tag.strip('"').split("-")[0]) for tag in tags]
    assert sequences == sorted(set(sequences))


@both
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_what_did_not_change_is_304_with_the_same_headers(
    newsroom: Newsroom, site: Site, name: str, coding: str
) -> None:
    newsroom.says(storm(), full_entry())
    path = f"/blogs/storm/feed.{name}"
    first = await site.ask(path, Accept_Encoding=coding)
    tag = first.headers["ETag"]

    for given_ in (tag, f"W/{tag}", "*", f'"old", W/"older", {tag}'):
        again = await site.ask(path, Accept_Encoding=coding, If_None_Match=given_)
        assert (again.status, again.raw) == (304, b"")
        for header in ("ETag", "Last-Modified", "Cache-Control", "Vary", "Link"):
            assert again.headers[header] == first.headers[header]
        assert "Content-Encoding" not in again.headers


async def test_a_date_alone_is_enough_until_the_next_change(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), an_entry("e1"))
    path = "/blogs/storm/feed.rss"
    seen = (await site.ask(path)).headers["Last-Modified"]

    assert (await site.ask(path, If_Modified_Since=seen)).status == 304
    assert (await site.ask(path, If_Modified_Since=seen, If_None_Match='"x"')).status == 200
    assert (await site.ask(path, If_Modified_Since="no date +9999999999999")).status == 200

    newsroom.says(withdrawn("e1"), at=NOON + timedelta(seconds=1))
    answer = await site.ask(path, If_Modified_Since=seen)
    assert answer.status == 200
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) > parsedate_to_datetime(seen)


@both
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_head_is_get_without_a_body(
    newsroom: Newsroom, site: Site, name: str, coding: str
) -> None:
    newsroom.says(storm(), full_entry())

    def comparable(answer: Answer) -> dict[str, str]:
        return {k: v for k, v in answer.headers.items() if k != "Date"}

    path = f"/blogs/storm/feed.{name}"
    whole = await site.ask(path, Accept_Encoding=coding)
    head = await site.ask(path, "HEAD", Accept_Encoding=coding)
    tag = whole.headers["ETag"]

    assert head.raw == b""
    assert comparable(head) == comparable(whole)
    assert (await site.ask(path, "HEAD", Accept_Encoding=coding, If_None_Match=tag)).status == 304


async def test_gzip_is_sent_to_whom_it_is_welcome(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), full_entry())
    path = "/blogs/storm/feed.atom"

    plain = await site.ask(path)
    zipped = await site.ask(path, Accept_Encoding="br;q=1.0, gzip;q=0.8, *;q=0.1")
    refused = await site.ask(path, Accept_Encoding="gzip;q=0, identity")

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in refused.headers
    assert zipped.body == plain.raw == refused.raw
    assert len(zipped.raw) < len(plain.raw)


@both
async def test_an_unknown_blog_is_a_problem_that_says_so(site: Site, name: str) -> None:
    answer = await site.ask(f"/blogs/nowhere/feed.{name}")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"There is no blog 'nowhere'." in answer.body


@pytest.mark.parametrize(
    "path", ["/blogs/%ff/feed.atom", "/blogs/%00/feed.atom", "/blogs/A/feed.atom"]
)
async def test_no_address_is_a_fault(site: Site, path: str) -> None:
    assert (await site.ask(path)).status == 404


async def test_a_removed_blog_is_gone(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(state=BlogState.REMOVED), full_entry())

    answer = await site.ask("/blogs/storm/feed.rss")

    assert answer.status == 410
    assert b"Ferry" not in answer.raw


@pytest.mark.parametrize(
    ("target", "feed"),
    [
        ("https://new.example/blogs/gale", "https://new.example/blogs/gale/feed.rss"),
        ("https://new.example/blogs/gale/?x=1#top", "https://new.example/blogs/gale/feed.rss?x=1"),
        ("/blogs/gale", f"{PUBLIC}/blogs/gale/feed.rss"),
    ],
)
async def test_a_moved_blog_leads_to_its_new_feed(
    newsroom: Newsroom, site: Site, target: str, feed: str
) -> None:
    newsroom.says(storm(state=BlogState.MOVED, moved_to=target))

    answer = await site.ask("/blogs/storm/feed.rss")

    assert (answer.status, answer.headers["Location"]) == (301, feed)


async def test_a_closed_blog_may_be_kept_for_longer(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(state=BlogState.CLOSED))

    assert "max-age=3600" in (await site.ask("/blogs/storm/feed.rss")).headers["Cache-Control"]


async def test_while_the_view_is_being_built_nothing_is_shown(newsroom: Newsroom) -> None:
    """It may hold a text whose withdrawal it has not read yet."""
    newsroom.says(storm(), full_entry())
    ready = False
    async with open_site(newsroom, ready=lambda: ready) as site:
        refused = await site.ask("/blogs/storm/feed.atom")
        ready = True
        served = await site.ask("/blogs/storm/feed.atom")

    assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
    assert b"Ferry" not in refused.raw
    assert served.status == 200


def test_the_rules_find_what_is_wrong(newsroom: Newsroom) -> None:
    """So that a green check says something."""
    newsroom.says(storm(), full_entry())
    good = newsroom.feed("rss").decode()
    spoilt = [
        good.replace(' isPermaLink="false"', ""),
        good.replace("+0000</pubDate>", "UTC</pubDate>"),
        good.replace("<language>en-GB", "<language>English (UK)"),
        good.replace('rel="self"', 'rel="alternate"'),
        good.replace("&#x26;", "&amp;"),
        good.replace("&lt;p&gt;She", "&lt;script&gt;x&lt;/script&gt;&lt;p&gt;She"),
        good.replace('href="https://x.example/?a', 'href="/?a'),
        good.replace("<guid", "<uid").replace("</guid", "</uid"),
        re.sub(r"<title>Ferry.*?</title>", "<title/>", good),
        good.replace('length="0"', ""),
        good.replace("<dc:creator>", '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">'),
    ]

    assert broken_rules(good.encode()) == []
    assert [text for text in spoilt if not broken_rules(text.encode())] == []


def test_the_grammar_finds_what_is_wrong(newsroom: Newsroom) -> None:
    newsroom.says(storm(), full_entry())
    good = newsroom.feed("atom").decode()
    spoilt = [
        good.replace('type="html"', 'type="CDATA"'),
        good.replace("+00:00</updated>", "</updated>"),
        re.sub(r"<title>Ferry.*?</title>", "", good),
        good.replace("<entry>", "<entry><pubDate/>"),
        good.replace('href="https://x.example/u.jpg"', ""),
        good.replace("en-GB", "English (UK)"),
    ]

    assert atom_mistakes(good.encode()) == []
    assert [text for text in spoilt if not atom_mistakes(text.encode())] == []


def test_replaced_rows_that_are_no_events_change_bytes_and_tag(newsroom: Newsroom) -> None:
    """A record under its entry's current `ce_id` replaces the row: a repair that tells nobody."""
    newsroom.says(storm(), an_entry("e1"))
    store = newsroom.store()
    before = store.document("storm", "atom")
    event = an_event(an_entry("e1", body_html="<p>Repaired.</p>"), id=_id_of(newsroom, "e1"))
    newsroom.read(stored([event], start=len(newsroom.records)))
    after = store.document("storm", "atom")

    assert before
    assert after
    assert after.representation.tag != before.representation.tag
    assert b"Repaired." in after.representation.body


def _id_of(newsroom: Newsroom, entry_id: str) -> str:
    row = newsroom.entries.entry("storm", entry_id)
    assert row is not None
    return row.event_id
