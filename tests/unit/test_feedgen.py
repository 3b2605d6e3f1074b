"""feedgen's faults, each pinned by name: a test that fails here says that the library mended one.

Then drop the repair that the test's docstring names (`slugline_syndicate.feeds`), and the test.
"""

import locale
from datetime import UTC, datetime
from typing import Any

import pytest
from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.repairs import (
    ATOM,
    DC,
    AtomEntryRepair,
    RssItemRepair,
    RssNamespaces,
    Tombstones,
    fragment,
)
from slugline_syndicate.feeds.rss import Rss
from tests.builders import NOON
from tests.reading import atom_mistakes

PAGE = "https://live.example/blogs/storm"


def an_item() -> FeedEntry:
    item = FeedEntry()
    item.id("tag:x,2026:1")
    item.title("Ferry")
    item.updated(NOON)
    item.content("<p>It stays in port.</p>", type="html")
    return item


def a_feed() -> FeedGenerator:
    feed = FeedGenerator()
    feed.id("tag:x,2026:storm")
    feed.title("Storm")
    feed.description("A storm")
    feed.updated(NOON)
    feed.lastBuildDate(NOON)
    feed.link(href=PAGE, rel="alternate")
    return feed


def channel_of(feed: FeedGenerator) -> Any:
    return etree.fromstring(feed.rss_str()).find("channel")


# --- links ----------------------------------------------------------------------------------------


def test_links_of_an_atom_entry_lose_what_they_are() -> None:
    """feedgen #135; `AtomEntryRepair` writes the links."""
    item = an_item()
    item.link(href=PAGE, rel="alternate", type="text/html")
    item.link(href="https://x.example/a.jpg", rel="enclosure", type="image/jpeg", length="1")

    links = item.atom_entry().findall("link")

    assert [link.get("rel") for link in links] != ["alternate", "enclosure"]
    assert [dict(link.attrib) for link in links][1:] == [{"href": "https://x.example/a.jpg"}]


def test_the_repair_writes_links_whole() -> None:
    item = an_item()
    item.register_extension("repair", AtomEntryRepair, atom=True, rss=False)
    item.link(href="https://x.example/lost")
    item.repair.links = [{"rel": "enclosure", "href": "https://x.example/a.jpg", "length": "1"}]

    links = item.atom_entry().findall("link")

    assert [dict(link.attrib) for link in links] == item.repair.links


def test_links_of_an_atom_entry_may_not_have_every_registered_relation() -> None:
    """feedgen PR 138; `AtomEntryRepair` writes any relation."""
    with pytest.raises(ValueError, match="rel"):
        an_item().link(href=PAGE, rel="replies")


def test_the_channels_link_is_the_last_link_of_any_kind() -> None:
    """feedgen #122; `Rss.shell` adds the page last."""
    feed = a_feed()
    feed.link(href=f"{PAGE}/feed.rss", rel="self")

    assert channel_of(feed).findtext("link") == f"{PAGE}/feed.rss"


def test_rss_has_no_links_but_the_first_to_itself() -> None:
    """Links such as `hub` and `prev-archive` need an extension once they are served."""
    feed = a_feed()
    feed.link(href=f"{PAGE}/feed.rss", rel="self")
    feed.link(href="https://x.example/hub", rel="hub")
    feed.link(href=PAGE, rel="alternate")

    assert [link.get("rel") for link in channel_of(feed).findall(f"{{{ATOM}}}link")] == ["self"]


def test_one_generator_for_both_formats_gives_rss_the_address_of_atom() -> None:
    """Each format makes a generator of its own."""
    feed = a_feed()
    feed.link(href=f"{PAGE}/feed.atom", rel="self")
    feed.link(href=f"{PAGE}/feed.rss", rel="self")

    links = channel_of(feed).findall(f"{{{ATOM}}}link")

    assert [link.get("href") for link in links] == [f"{PAGE}/feed.atom"]


# --- content --------------------------------------------------------------------------------------


def test_cdata_content_gets_an_invalid_type() -> None:
    """`Atom.entry` says html."""
    item = FeedEntry()
    item.content("<p>x</p>", type="CDATA")
    item.id("tag:x,2026:1")
    item.title("x")
    item.updated(NOON)

    assert item.atom_entry().find("content").get("type") == "CDATA"


def test_the_grammar_refuses_cdata_content() -> None:
    feed = a_feed()
    entry = feed.add_entry()
    entry.id("tag:x,2026:1")
    entry.title("x")
    entry.updated(NOON)
    entry.content("<p>x</p>", type="CDATA")

    assert atom_mistakes(feed.atom_str())


def test_content_without_a_type_is_plain_text_in_atom() -> None:
    """`Atom.entry` says html."""
    item = an_item()
    item.content("<p>x</p>", type=None)

    assert item.atom_entry().find("content").get("type") is None


def test_an_empty_title_fails() -> None:
    """`title_of` always finds one."""
    item = an_item()
    item.title("")

    with pytest.raises(ValueError, match="Required"):
        item.atom_entry()


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_a_character_that_xml_has_no_place_for_fails(character: str) -> None:
    """`xml_text` takes them out; `FeedStore` leaves out an entry that fails all the same."""
    item = an_item()
    item.title(f"Ferry{character}")

    with pytest.raises(ValueError):  # noqa: PT011 - lxml's words differ
        fragment(item.atom_entry())


def test_one_bad_entry_fails_the_whole_feed() -> None:
    """`FeedStore` renders each entry by itself."""
    feed = a_feed()
    for title in ("good", "bad\x00"):
        entry = feed.add_entry()
        entry.id(f"tag:x,2026:{title[0]}")
        entry.title(title)
        entry.updated(NOON)
        entry.content("x")

    with pytest.raises(ValueError, match="XML compatible"):
        feed.atom_str()


def test_xhtml_content_that_is_no_xml_fails() -> None:
    """Content is html, always."""
    item = an_item()
    item.content("<p>a&nbsp;b</p>", type="xhtml")

    with pytest.raises(etree.XMLSyntaxError):
        item.atom_entry()


def test_other_content_is_not_implemented() -> None:
    """Content is html, always."""
    item = an_item()
    item.content("x", type="image/png")

    with pytest.raises(NotImplementedError):
        item.atom_entry()


def test_titles_cannot_be_html() -> None:
    """Titles are plain text, everywhere."""
    with pytest.raises(TypeError):
        an_item().title("x", type="html")


# --- times ----------------------------------------------------------------------------------------


def test_times_that_were_not_set_are_the_clocks() -> None:
    """Both formats set every time; `test_feeds` shows that no clock is in the bytes."""
    feed = FeedGenerator()
    feed.id("tag:x,2026:storm")
    feed.title("Storm")

    assert abs((datetime.now(UTC) - feed.updated()).total_seconds()) < 3600
    assert abs((datetime.now(UTC) - feed.lastBuildDate()).total_seconds()) < 3600
    assert abs((datetime.now(UTC) - FeedEntry().updated()).total_seconds()) < 3600


def test_naive_times_are_refused() -> None:
    """Right, but late: ours are aware from the edge on."""
    with pytest.raises(ValueError, match="timezone"):
        an_item().published(datetime(2026, 1, 1))  # noqa: DTZ001


def test_writing_a_date_of_rss_switches_the_locale_of_the_whole_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Feeds are rendered on the event loop's thread alone."""
    calls: list[object] = []
    real = locale.setlocale

    def spy(category: int, wanted: str | None = None) -> str:
        calls.append(wanted)
        return real(category, wanted)

    monkeypatch.setattr(locale, "setlocale", spy)
    a_feed().rss_str()

    assert "C" in calls


# --- what it does not write, or writes wrongly ----------------------------------------------------


def test_an_author_without_an_address_is_missing_from_rss() -> None:
    """feedgen PR 57; `RssItemRepair` writes dc:creator."""
    item = an_item()
    item.author(name="Ada Quill")

    assert "Ada" not in etree.tostring(item.rss_entry()).decode()


def test_the_repair_writes_bylines_and_the_time_of_the_last_edit() -> None:
    item = an_item()
    item.register_extension("repair", RssItemRepair, atom=False, rss=True)
    item.repair.authors, item.repair.updated = ["Ada Quill"], NOON

    entry = item.rss_entry()

    assert entry.findtext(f"{{{DC}}}creator") == "Ada Quill"
    assert entry.findtext(f"{{{ATOM}}}updated") == "2026-11-22T12:00:00Z"


def test_rss_has_no_time_of_an_edit() -> None:
    """`RssItemRepair` writes atom:updated."""
    assert NOON.isoformat() not in etree.tostring(an_item().rss_entry()).decode()


def test_the_syndication_extension_writes_elements_that_do_not_exist() -> None:
    """Not used; `ttl` says how often to come."""
    feed = a_feed()
    feed.load_extension("syndication", rss=True)
    feed.syndication.update_period("hourly")

    written = [etree.QName(child).localname for child in channel_of(feed)]

    assert "UpdatePeriod" in written
    assert "updatePeriod" not in written


def test_a_text_input_becomes_attributes() -> None:
    """Not used."""
    feed = a_feed()
    feed.textInput(title="a", description="b", name="c", link=PAGE)

    assert len(channel_of(feed).find("textInput")) == 0


def test_a_cloud_with_a_number_for_its_port_fails() -> None:
    """Not used."""
    feed = a_feed()
    feed.cloud("x.example", 80, "/", "", "xml-rpc")

    with pytest.raises(TypeError):
        feed.rss_str()


def test_entries_are_put_before_those_that_are_there() -> None:
    """`FeedStore` joins the fragments in the feed's order itself."""
    feed = a_feed()
    for number in "123":
        feed.add_entry().id(f"tag:x,2026:{number}")

    assert [entry.id()[-1] for entry in feed.entry()] == ["3", "2", "1"]


def test_elements_of_atom_stand_in_no_namespace_until_they_are_written() -> None:
    """So `AtomEntryRepair` finds and makes un-namespaced links, and fragments need no declaration."""
    assert an_item().atom_entry().tag == "entry"
    assert b"xmlns" not in etree.tostring(an_item().atom_entry())


def test_a_part_of_a_document_declares_the_namespaces_that_its_shell_has() -> None:
    """`fragment` takes the declarations out."""
    item = an_item()
    item.register_extension("repair", RssItemRepair, atom=False, rss=True)
    item.repair.authors, item.repair.updated = ["Ada Quill"], NOON

    assert b"xmlns" in etree.tostring(item.rss_entry())
    assert b"xmlns" not in fragment(item.rss_entry())


def test_the_repair_declares_them_in_the_shell() -> None:
    feed = a_feed()
    feed.register_extension("namespaces", RssNamespaces, None, atom=False, rss=True)

    assert etree.fromstring(feed.rss_str()).nsmap == {
        "dc": DC,
        "atom": ATOM,
        "content": "http://purl.org/rss/1.0/modules/content/",
    }


def test_text_that_looks_like_a_declaration_stays() -> None:
    item = an_item()
    words = f'<p>In RSS: xmlns:dc="{DC}" or <code> xmlns:atom="{ATOM}"</code></p>'
    item.description(words)

    assert etree.fromstring(fragment(item.rss_entry())).findtext("description") == words


def test_it_has_no_tombstones() -> None:
    """`Tombstones` is ours; once the library has some, take a look."""
    assert not hasattr(FeedGenerator(), "tombstones")


def test_tombstones_are_written_with_their_namespace_only_where_there_are_any() -> None:
    def written(*deleted: tuple[str, datetime]) -> bytes:
        feed = a_feed()
        feed.register_extension("tombstones", Tombstones, None, atom=True, rss=False)
        feed.tombstones.deleted = deleted
        data: bytes = feed.atom_str()
        return data

    assert b"tombstones" not in written()
    assert b'ref="tag:x,2026:1" when="2026-11-22T12:00:00Z"' in written(("tag:x,2026:1", NOON))


@pytest.mark.parametrize("text", ["a]]>b", "]]>"])
def test_cdata_sections_that_end_early_would_be_split(text: str) -> None:
    """Right in lxml 6; ours is escaped text, in which it does not matter."""
    item = FeedEntry()
    item.content(text, type="CDATA")

    assert etree.fromstring(fragment(item.rss_entry())).findtext("description") == text


@pytest.mark.parametrize("instant", [NOON, NOON.replace(microsecond=123456)])
def test_the_shells_time_is_written_as_feedgen_writes_it(instant: datetime) -> None:
    """The shell is rendered once, and the time of the newest change put into it (`Shell.head`)."""
    feed = a_feed()
    feed.updated(instant)
    feed.lastBuildDate(instant)

    assert b"<updated>%s</updated>" % Atom().date(instant) in feed.atom_str()
    assert b"<lastBuildDate>%s</lastBuildDate>" % Rss().date(instant) in feed.rss_str()
