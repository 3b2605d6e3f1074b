"""What an entry shows in a feed: never nothing, never what breaks a document, and all that belongs to it."""

import mimetypes
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from slugline.entry import Media, MediaKind, Related
from slugline_syndicate.feeds.content import (
    BEGINNING,
    LONGEST,
    TITLE,
    figure,
    html_of,
    related_html,
    title_of,
    xml_text,
)
from slugline_syndicate.feeds.formats import categories, feed_description, feed_language, feed_title
from slugline_syndicate.feeds.kept import Kept
from slugline_syndicate.feeds.media import enclosures, media_type
from tests.builders import NOON, a_blog, an_entry, withdrawn

URL = "https://live.example/blogs/storm/entries/e1"

#: Any text at all, lone surrogates too.
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)

# --- titles ---------------------------------------------------------------------------------------


def test_the_heading_is_the_title() -> None:
    assert title_of(an_entry(title="Ferry stays in port")) == "Ferry stays in port"


@pytest.mark.parametrize("heading", [None, "", "  ", "\x00\x1f"])
def test_without_a_heading_the_first_sentence_is_the_title(heading: str | None) -> None:
    entry = an_entry(title=heading, body_text="The ferry stays in port. Ask at the quay.")

    assert title_of(entry) == "The ferry stays in port."


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("One line\nanother", "One line"),
        ("¿Otra vez? Sí.", "¿Otra vez?"),
        ("港が閉鎖。再開は未定。", "港が閉鎖。"),
        ("Wind at 3.5 Bft now. Rising.", "Wind at 3.5 Bft now."),
    ],
)
def test_a_sentence_ends_at_its_mark_or_its_line(text: str, title: str) -> None:
    assert title_of(an_entry(title=None, body_text=text)) == title


def test_a_long_sentence_is_cut_between_words_and_marked() -> None:
    title = title_of(an_entry(title=None, body_text="word " * 60))

    assert len(title) <= TITLE
    assert title.endswith("word…")


def test_a_long_word_is_cut_too() -> None:
    assert len(title_of(an_entry(title=None, body_text="x" * 500))) == TITLE


def test_without_text_a_caption_then_a_related_story_is_the_title() -> None:
    bare: dict[str, Any] = {"title": None, "body_html": "", "body_text": ""}
    related = (Related(title="Why ferries stop"),)
    pictures = (Media(url="https://x.example/a.jpg"), Media(alt="A quay"))

    assert title_of(an_entry(**bare, summary="In short.")) == "In short."
    assert title_of(an_entry(**bare, media=pictures, related=related)) == "A quay"
    assert title_of(an_entry(**bare, related=related)) == "Why ferries stop"


def test_without_anything_the_time_is_the_title() -> None:
    assert title_of(an_entry(title=None, body_html="", body_text="")) == "12:00 UTC"


def test_a_withdrawn_entry_says_so_and_nothing_else() -> None:
    gone = withdrawn(tags=("secret",), key_event=True)

    assert title_of(gone) == "Withdrawn"
    assert html_of(gone, URL) == "<p>This entry was withdrawn.</p>"
    assert categories(gone) == []


# --- content --------------------------------------------------------------------------------------


def test_captions_credits_and_related_stories_are_shown() -> None:
    entry = an_entry(
        media=(
            Media(url="https://x.example/a.jpg", alt="Quay", caption="The quay", credit="A. Q."),
        ),
        related=(Related(title="Why", summary="Because", link="https://x.example/why"),),
    )

    shown = html_of(entry, URL)

    assert '<img src="https://x.example/a.jpg" alt="Quay">' in shown
    assert "<figcaption>The quay (A. Q.)</figcaption>" in shown
    assert '<a href="https://x.example/why">Why</a><br>Because' in shown


def test_a_caption_without_its_picture_is_shown() -> None:
    assert figure(Media(caption="The quay")) == "<figure><figcaption>The quay</figcaption></figure>"
    assert figure(Media()) == ""


def test_what_is_no_picture_becomes_a_link() -> None:
    shown = figure(Media(url="https://x.example/v?a=1&b=2", kind=MediaKind.EMBED))

    assert 'href="https://x.example/v?a=1&amp;b=2"' in shown


def test_quotes_in_attributes_do_not_end_them() -> None:
    hostile = '"><script>alert(1)</script>'
    shown = figure(Media(url=f"https://x.example/{hostile}", alt=hostile, caption=hostile))

    assert "<script" not in shown
    assert related_html((Related(title=hostile, link=hostile),)).count("<a ") == 1


def test_a_summary_stands_in_for_a_missing_body() -> None:
    entry = an_entry(body_html="", body_text="", summary="In <short>")

    assert html_of(entry, URL) == "<p>In &lt;short&gt;</p>"


@pytest.mark.parametrize("body", ["", " ", "<p></p>", "<p>&nbsp;<br></p>", "\x00"])
def test_what_shows_nothing_shows_its_title(body: str) -> None:
    assert html_of(an_entry(body_html=body, body_text=""), URL) == "<p>Heading of e1</p>"


def test_a_picture_alone_is_content() -> None:
    body = '<p><img src="https://x.example/a.jpg"></p>'

    assert html_of(an_entry(body_html=body, body_text=""), URL) == body


def test_a_huge_entry_shows_its_beginning_and_where_to_read_on() -> None:
    text = "word " * LONGEST
    shown = html_of(an_entry(body_html=f"<p>{text}</p>", body_text=text), URL)

    assert len(shown) < BEGINNING + 200
    assert shown.startswith("<p>word ")
    assert shown.endswith(f'<p><a href="{URL}">Read the whole entry</a></p>')


@given(anything, anything, anything)
def test_no_text_breaks_a_document(title: str, body: str, caption: str) -> None:
    entry = an_entry(title=title, body_html=body, body_text=body, media=(Media(caption=caption),))
    element = etree.Element("x", title=title_of(entry))

    element.text = html_of(entry, URL)

    back = etree.fromstring(etree.tostring(element, encoding="utf-8"))
    assert (back.get("title") or "").strip()
    assert (back.text or "").strip()


@given(anything)
def test_only_what_xml_has_no_place_for_is_taken_out(text: str) -> None:
    kept = xml_text(text)

    assert kept == xml_text(kept)
    assert [c for c in text if c in kept] == list(kept)
    assert all(c >= " " or c in "\t\n\r" for c in kept)


@pytest.mark.parametrize("text", ["Größe 🌊", "مرحبا", "\u202eabc", "a\u0301", "𝒳", "tab\tline\n"])
def test_writing_of_all_kinds_stays(text: str) -> None:
    assert xml_text(text) == text


# --- files ----------------------------------------------------------------------------------------


def test_files_of_known_kinds_are_enclosed_and_embeds_are_not() -> None:
    entry = an_entry(
        media=(
            Media(url="https://x.example/a.JPG?w=1"),
            Media(url="https://x.example/page", kind=MediaKind.EMBED),
            Media(url="https://x.example/a.mp4", kind=MediaKind.EMBED),
            Media(url="https://x.example/what"),
            Media(url="https://x.example/a.mp3", kind=MediaKind.AUDIO),
            Media(caption="no file"),
        )
    )

    assert list(enclosures(entry)) == [
        ("https://x.example/a.JPG?w=1", "image/jpeg"),
        ("https://x.example/a.mp3", "audio/mpeg"),
    ]


def test_media_types_do_not_depend_on_the_machine() -> None:
    mimetypes.add_type("application/x-odd", ".jpg")
    try:
        assert media_type("https://x.example/a.jpg") == "image/jpeg"
    finally:
        mimetypes.init()


def test_an_address_that_is_none_has_no_media_type() -> None:
    assert media_type("https://[/a.jpg") is None


# --- feeds ----------------------------------------------------------------------------------------


def test_a_feed_has_a_title_and_a_description_before_its_blog_has() -> None:
    nameless = a_blog(title=" ")

    assert feed_title(nameless) == "storm"
    assert feed_description(nameless) == "storm"


def test_the_lead_belongs_to_the_description() -> None:
    blog = a_blog(description="Gales.", lead="First.\n\nSecond.")

    assert feed_description(blog) == "Gales.\n\nFirst.\n\nSecond."


@pytest.mark.parametrize(
    ("given_", "tag"),
    [
        ("en", "en"),
        ("de_AT", "de-AT"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("", None),
        ("Old English", None),
    ],
)
def test_a_language_is_a_tag_or_left_out(given_: str, tag: str | None) -> None:
    assert feed_language(a_blog(language=given_)) == tag


def test_a_key_event_is_a_category() -> None:
    entry = an_entry(key_event=True, tags=("ferries", " ", "\x00"))

    assert categories(entry) == ["key-event", "ferries"]


# --- what is kept ---------------------------------------------------------------------------------


class _Thing:
    def __init__(self, size: int) -> None:
        self.size = size


def test_the_least_recently_used_goes_first() -> None:
    kept: Kept[str, _Thing] = Kept(100)
    for name in "abc":
        kept.put(name, _Thing(40))
        kept.get("a")

    assert [kept.get(name) is not None for name in "abc"] == [True, False, True]


def test_the_newest_is_kept_however_large_and_dropping_frees_its_room() -> None:
    kept: Kept[str, _Thing] = Kept(100)
    kept.put("small", _Thing(10))
    kept.put("huge", _Thing(1000))
    assert (len(kept), kept.get("small")) == (1, None)

    kept.put("huge", _Thing(50))
    kept.put("small", _Thing(50))
    assert len(kept) == 2

    kept.drop("huge")
    kept.put("other", _Thing(50))
    assert len(kept) == 2


def test_times_in_titles_are_not_the_clocks() -> None:
    assert re.fullmatch(r"12:00 UTC", title_of(an_entry(title=None, body_text="", published=NOON)))
