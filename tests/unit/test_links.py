"""Addresses and ids: from the public URL and the blog's authority, and never from what may change."""

from datetime import UTC, datetime

from slugline_syndicate.links import (
    blog_tag,
    blog_url,
    entry_tag,
    entry_url,
    feed_url,
    shown_at,
)
from tests.builders import NOON, a_blog, an_entry, withdrawn

PUBLIC = "https://live.example"


def test_addresses_start_with_the_public_url() -> None:
    assert blog_url(PUBLIC, "storm") == "https://live.example/blogs/storm"
    assert feed_url(PUBLIC, "storm", "rss") == "https://live.example/blogs/storm/feed.rss"
    assert entry_url(PUBLIC, "storm", "e1") == "https://live.example/blogs/storm/entries/e1"


def test_an_entry_is_read_on_its_page_and_a_withdrawn_one_in_its_blog() -> None:
    assert shown_at(PUBLIC, an_entry("e1")) == entry_url(PUBLIC, "storm", "e1")
    assert shown_at(PUBLIC, withdrawn("e1")) == "https://live.example/blogs/storm#e-e1"


def test_an_entrys_id_is_its_authority_year_blog_and_entry_id() -> None:
    assert entry_tag(a_blog(), an_entry("e1")) == "tag:news.example,2026:storm/e1"


def test_no_edit_changes_an_entrys_id() -> None:
    before = an_entry("e1")
    after = an_entry("e1", title="Another", link="https://x.example", updated=NOON, revision=9)

    assert entry_tag(a_blog(), after) == entry_tag(a_blog(), before)
    assert entry_tag(a_blog(title="Gale"), withdrawn("e1")) == entry_tag(a_blog(), before)


def test_the_year_of_an_id_has_four_digits() -> None:
    long_ago = an_entry("e1", published=datetime(812, 1, 1, tzinfo=UTC))

    assert entry_tag(a_blog(), long_ago) == "tag:news.example,0812:storm/e1"


def test_a_blogs_id_does_not_depend_on_its_title_or_its_coverage() -> None:
    moved = a_blog(title="Gale", coverage_start=datetime(2031, 1, 1, tzinfo=UTC))

    assert blog_tag(moved) == blog_tag(a_blog()) == "tag:news.example,2026:storm"
