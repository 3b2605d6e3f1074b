"""What is read from the JSON-LD of pages, with the traps of real ones."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from gzip import decompress
from pathlib import Path
from typing import Any

import pytest

from slugline.clock import rfc3339
from slugline.entry import is_entry_id
from slugline_ingest.documents import extractor_for
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.jsonld import JsonLdExtractor
from slugline_ingest.extractors.jsonld.outline import wanted
from slugline_ingest.extractors.jsonld.tolerant import Reader
from slugline_ingest.snapshot import Snapshot, SnapshotEntry
from tests.builders import NOON

DATA = Path(__file__).parents[1] / "data/jsonld"
PAGES = sorted(path.stem for path in DATA.glob("*.html"))
SAMPLES = os.environ.get("SLUGLINE_SAMPLES")

LIVE = "https://quay.example/live"


def extract(text: str, *, zone: str = "Europe/Vienna", location: str | None = None) -> Snapshot:
    document = Document(text=text, received=NOON, timezone=zone, location=location)
    return JsonLdExtractor().extract(document)


def a_page(*scripts: object, head: str = "", body: str = "") -> str:
    """An HTML page with *scripts* of JSON-LD, objects or texts as they stand."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in scripts]
    tags = "".join(f'<script type="application/ld+json">{text}</script>' for text in texts)
    return f"<!doctype html><html><head>{head}{tags}</head><body>{body}</body></html>"


def a_live_blog(*updates: dict[str, Any], **fields: Any) -> dict[str, Any]:
    blog = {"@type": "LiveBlogPosting", "headline": "Live", "url": LIVE}
    return {**blog, "liveBlogUpdate": list(updates), **fields}


def an_update(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "@type": "BlogPosting",
        "headline": f"Heading {number}",
        "articleBody": f"Text {number}.",
        "url": f"{LIVE}#e{number}",
        "datePublished": f"2026-06-06T12:{number:02}:00Z",
        **fields,
    }


def the_entry(**fields: Any) -> SnapshotEntry:
    """The entry that an update with *fields* is, beside another one."""
    other = an_update(50, headline="Another", articleBody="Other words.")
    return extract(a_page(a_live_blog(an_update(**fields), other))).entries[0]


def shown(entry: SnapshotEntry) -> dict[str, Any]:
    plain = json.loads(json.dumps(asdict(entry), default=_plain))
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_gives_what_a_person_reads_in_it(name: str) -> None:
    expected = json.loads((DATA / f"{name}.json").read_text())
    snapshot = extract((DATA / f"{name}.html").read_text())

    stated = {key: value for key, value in expected.items() if key != "entries"}
    assert {key: str(getattr(snapshot, key)) for key in stated} == stated
    assert len(snapshot.entries) == len(expected["entries"])
    for entry, told in zip(snapshot.entries, expected["entries"], strict=True):
        found = shown(entry)
        assert {key: found[key] for key in told} == told


@pytest.mark.skipif(not SAMPLES, reason="SLUGLINE_SAMPLES names no folder of samples")
@pytest.mark.parametrize(
    ("name", "entries", "titled", "texts", "edited"),
    [
        ("01-corkbeo-2020.html", 26, 26, 19, 3),
        ("03-express-2024.html.gz", 9, 9, 9, 9),
        ("04-br24-ticker-2024.html.gz", 0, 0, 0, 0),  # its entries are in no JSON-LD
        ("05-timesofisrael-entry-2020.html", 0, 0, 0, 0),
        ("08-guardian-jsonld-mars-2021.json", 13, 0, 12, 0),
        ("21-jsonld-edge-1.html", 1, 1, 1, 1),
        ("21-jsonld-edge-2.html", 1, 1, 1, 0),
        ("21-jsonld-edge-3.html", 2, 2, 0, 0),
        ("22-quintype-jsonld.json", 1, 1, 0, 1),
        ("23-ap-variant-copy.html", 4, 4, 0, 0),
        ("23-ap-variant-html.html", 4, 4, 0, 0),
        ("23-ap-variant-rel.html", 1, 1, 0, 0),
        ("25-amp-live-blog.html", 0, 0, 0, 0),
        ("26-amp-live-list-tombstone-synthetic.html", 0, 0, 0, 0),
    ],
)
def test_real_pages_give_the_entries_that_their_json_ld_has(
    name: str, entries: int, titled: int, texts: int, edited: int
) -> None:
    data = (Path(str(SAMPLES)) / name).read_bytes()
    text = (decompress(data) if name.endswith(".gz") else data).decode()
    found = extract(text).entries

    counts = [sum(map(bool, values)) for values in zip(*map(_facts, found), strict=True)]
    assert (len(found), *(counts or [0, 0, 0])) == (entries, titled, texts, edited)


def _facts(entry: SnapshotEntry) -> tuple[object, object, object]:
    return entry.title, entry.body_text, entry.updated


# --- which scripts, which blog ------------------------------------------------------------------------


def test_a_defective_script_costs_only_itself() -> None:
    page = a_page('{"@type": "LiveBlogPosting", "liveBlogUpdate": [', a_live_blog(an_update()))

    assert [entry.id for entry in extract(page).entries] == ["e1"]


@pytest.mark.parametrize(
    "wrong",
    [
        '{"a": 1,}',
        '{"a": [1, 2, ],}',
        '<!-- {"a": 1} -->',
        '{"a": 1};',
        '/*<![CDATA[*/{"a": 1}/*]]>*/',
        '{"a": "line\nline"}',
        r'{"a": "it\'s, ]"}',
    ],
)
def test_usual_faults_of_json_are_mended(wrong: str) -> None:
    assert isinstance(Reader().read(wrong)["a"], int | list | str)


def test_mending_leaves_texts_as_they_are() -> None:
    assert Reader().read('{"a": "one, ] two, } three",}') == {"a": "one, ] two, } three"}


def test_a_script_that_is_not_about_a_live_blog_is_not_repaired() -> None:
    assert Reader().read('{"a": {"b": 1') is None
    assert Reader().read('{"@type": "LiveBlogPosting", "b": {"c": 1')["b"] == {"c": 1}


@pytest.mark.parametrize(
    "tag",
    [
        "<script type=application/ld+json>",
        "<SCRIPT TYPE='APPLICATION/LD+JSON; charset=utf-8'>",
        '<script data-x="a > b < c" type="application/ld+json">',
        "<script\n data-y=it's type=application/ld+json>",
    ],
)
def test_a_script_is_found_however_its_tag_is_written(tag: str) -> None:
    page = f"<body><p>{tag}{json.dumps(a_live_blog(an_update()))}</script>"

    assert len(extract(page).entries) == 1


@pytest.mark.parametrize("element", ["template", "textarea", "style", "xmp", "title"])
def test_what_only_looks_like_a_script_is_none(element: str) -> None:
    page = f"<{element}>{a_page(a_live_blog(an_update()))}</{element}>"

    assert extract(page).entries == ()


def test_a_script_that_was_escaped_like_text_is_read() -> None:
    page = a_page(json.dumps(a_live_blog(an_update())).replace('"', "&quot;"))

    assert len(extract(page).entries) == 1


def test_the_blogs_of_other_pages_are_not_this_pages() -> None:
    other = a_live_blog(an_update(2, headline="Elsewhere"), url="https://quay.example/other")
    page = a_page(
        {"@type": "ItemList", "itemListElement": [{"item": other}]}, a_live_blog(an_update())
    )

    assert [entry.title for entry in extract(page, location=LIVE).entries] == ["Heading 1"]


def test_a_live_page_beside_its_own_article_is_read() -> None:
    article = {"@type": "NewsArticle", "url": f"{LIVE}/", "headline": "Live"}

    for order in ((article, a_live_blog(an_update())), (a_live_blog(an_update()), article)):
        assert len(extract(a_page(*order), location=LIVE).entries) == 1


def test_a_slug_that_was_rewritten_does_not_hide_the_blog() -> None:
    assert extract(a_page(a_live_blog(an_update())), location=f"{LIVE}-renamed").entries


def test_bare_json_ld_is_read_too() -> None:
    data = json.dumps([a_live_blog(an_update())]).encode()
    extractor = extractor_for("application/json", data)

    assert len(extractor.extract(Document(text=data.decode(), received=NOON)).entries) == 1


@pytest.mark.parametrize("update", ["liveBlogUpdate", "blogPosts", "blogPost"])
def test_updates_stand_under_any_of_their_names(update: str) -> None:
    blog = {"@type": "LiveBlogPosting", "url": LIVE, update: [[an_update(1)], an_update(2)]}

    assert [entry.id for entry in extract(a_page(blog)).entries] == ["e1", "e2"]


# --- ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"url": f"{LIVE}#post-77"}, "77"),
        ({"url": f"{LIVE}?page=with:block-abc1#block-abc1"}, "abc1"),
        ({"url": f"{LIVE}?post=asset%3Aabc-2"}, "abc-2"),
        ({"url": f"{LIVE}?page=7", "@id": "#post-asset:9-9"}, "9-9"),
        ({"url": LIVE, "@id": "block-5f00"}, "5f00"),
        ({"url": LIVE, "identifier": {"@type": "PropertyValue", "value": 4711}}, "4711"),
        ({"url": LIVE, "@id": LIVE}, None),
        ({"url": LIVE}, None),
    ],
)
def test_an_entry_has_the_id_that_its_page_gives_it(
    fields: dict[str, Any], name: str | None
) -> None:
    assert the_entry(**fields).id == name


@pytest.mark.parametrize("name", ["ü/ä", "x" * 300, "a b", "#%00", "💥"])
def test_an_id_that_the_rule_does_not_allow_is_hashed(name: str) -> None:
    found = [the_entry(url=LIVE, identifier=name).id for _ in range(2)]

    assert found[0] == found[1]
    assert is_entry_id(str(found[0]))


def test_a_page_of_an_entrys_own_names_it() -> None:
    one, other = the_entry(url=f"{LIVE}/one"), the_entry(url=f"{LIVE}/other")

    assert one.id
    assert other.id
    assert one.id != other.id
    assert one.link == f"{LIVE}/one"


def test_a_fragment_that_all_entries_share_names_none() -> None:
    updates = [an_update(n, url=f"{LIVE}#liveblog") for n in (1, 2)]

    assert [entry.id for entry in extract(a_page(a_live_blog(*updates))).entries] == [None, None]


# --- fields ---------------------------------------------------------------------------------------------


def test_one_headline_on_all_entries_is_none() -> None:
    updates = [an_update(n, headline="All the news") for n in (1, 2)]

    found = extract(a_page(a_live_blog(*updates))).entries
    assert [entry.title for entry in found] == [None, None]


def test_two_entries_of_one_minute_keep_their_dates_and_three_of_one_date_have_none() -> None:
    date = "2026-06-06T12:00:00Z"
    dated = [an_update(n, datePublished=date) for n in range(3)]

    assert all(e.published for e in extract(a_page(a_live_blog(*dated[:2]))).entries)
    assert not any(e.published for e in extract(a_page(a_live_blog(*dated))).entries)


@pytest.mark.parametrize(
    ("stated", "instant"),
    [
        ("2026-06-06T12:00:00Z", "2026-06-06T12:00:00Z"),
        ("2026-06-06T12:00:00+0200", "2026-06-06T10:00:00Z"),
        ("2026-06-06T12:00:00.250+02:00", "2026-06-06T10:00:00.250000Z"),
        ("2026-06-06 12:00", "2026-06-06T10:00:00Z"),
        (1780740000, "2026-06-06T10:00:00Z"),
        (1780740000000, "2026-06-06T10:00:00Z"),
        ("1780740000000", "2026-06-06T10:00:00Z"),
        ("Sat, 06 Jun 2026 12:00:00 +0200", "2026-06-06T10:00:00Z"),
        ({"@type": "DateTime", "@value": "2026-06-06T12:00:00Z"}, "2026-06-06T12:00:00Z"),
        ("2026-06-06", None),
        ("soon", None),
        ("", None),
        (0, None),
        (10**30, None),
        ("inf", None),
        ("9999-12-31T23:59:59-23:00", None),
        (True, None),
        ([], None),
    ],
)
def test_times_are_read_in_every_form(stated: object, instant: str | None) -> None:
    found = the_entry(datePublished=stated).published

    assert (rfc3339(found) if found else None) == instant


@pytest.mark.parametrize(
    ("modified", "edited"),
    [
        ("2026-06-06T12:01:00Z", False),
        ("2026-06-06T14:01:01+02:00", False),
        ("2026-06-06T12:00:59Z", False),
        ("2026-06-06T12:09:00Z", True),
    ],
)
def test_an_entry_is_edited_if_it_was_modified_later_than_published(
    modified: str, edited: bool
) -> None:
    assert bool(the_entry(dateModified=modified).updated) is edited


@pytest.mark.parametrize(
    ("source", "text", "html"),
    [
        ("Plain.", "Plain.", "<p>Plain.</p>"),
        ("<p>A &amp;amp; B</p>", "A & B", "<p>A &amp; B</p>"),
        ("&lt;p&gt;Escaped&lt;/p&gt;", "Escaped", "<p>Escaped</p>"),
        ("<p>1 &lt; 2</p>", "1 < 2", "<p>1 &lt; 2</p>"),
        ("it&amp;amp;#39;s", "it's", "<p>it's</p>"),
        ("<img src=x onerror=alert(1)>", "", '<img src="https://quay.example/x">'),
        ("<p>Bell\u0007 \ud800</p>", "Bell", "<p>Bell </p>"),
        (
            '<p><a href="javascript:alert(1)">x</a></p>',
            "x",
            '<p><a rel="noopener">x</a></p>',
        ),
    ],
)
def test_a_body_is_text_or_html_and_safe(source: str, text: str, html: str) -> None:
    entry = the_entry(articleBody=source)

    assert (entry.body_text, entry.body_html) == (text, html)


def test_a_body_that_is_cut_ends_with_a_mark_and_is_less_sure() -> None:
    entry = the_entry(articleBody="word " * 199 + "wordy")

    assert entry.body_text.endswith("wordy …")
    assert entry.confidence == "medium"
    assert the_entry(articleBody="word " * 199 + "end.\n").confidence == "high"


def test_the_blogs_picture_is_no_entrys() -> None:
    picture = f"{LIVE}/blog.jpg"
    updates = [an_update(n, image=[picture, f"{LIVE}/{n}.jpg"]) for n in (1, 2)]

    found = extract(a_page(a_live_blog(*updates, image={"url": picture}))).entries
    assert [[m.url for m in e.media] for e in found] == [[f"{LIVE}/1.jpg"], [f"{LIVE}/2.jpg"]]


# --- hostile pages ----------------------------------------------------------------------------------------


def test_deep_nesting_hides_nothing_and_is_not_parsed() -> None:
    script = a_page(a_live_blog(an_update()))

    assert len(extract("<div>" * 100_000 + script).entries) == 1
    assert len(extract("<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">" + script).entries)


def test_only_elements_that_are_wanted_are_parsed() -> None:
    page = "<div><span class=x>" * 10_000 + "<title>T</title>" + "<style>p{}</style>" * 1_000

    assert "".join(wanted(page)) == "<title>T</title>"


@pytest.mark.parametrize(
    "text",
    [
        "<" * 1_000_000,
        "<script" * 200_000,
        "<!--" * 300_000,
        "<script type=application/ld+json>" + '{"LiveBlogPosting":' + "[" * 500_000,
        "<script type=application/ld+json>" + '"' * 500_000,
        a_page('{"@type":"LiveBlogPosting","liveBlogUpdate":' * 5_000),
        a_page('{"@type":"LiveBlogPosting","liveBlogUpdate": "' + 'x" y "' * 2_000),
    ],
    ids=["brackets", "open-scripts", "comments", "deep-json", "quotes", "deep-blogs", "repair"],
)
def test_pages_made_to_be_dear_give_nothing(text: str) -> None:
    assert extract(text).entries == ()


@pytest.mark.parametrize("part", ["&amp;", "<div>", "<", "<b><p>x", "&lt;", "\U0001f4a5"])
def test_one_huge_body_becomes_no_record_that_the_log_refuses(part: str) -> None:
    entry = the_entry(articleBody=part * (1_000_000 // len(part)), headline=part * 100_000)

    assert len(json.dumps(shown(entry), ensure_ascii=False).encode()) < 900_000


def test_entries_beyond_all_measure_are_left_out() -> None:
    updates = [{"@id": f"e{n}", "headline": f"H{n}"} for n in range(6_000)]

    assert len(extract(a_page(a_live_blog(*updates))).entries) == 5_000


@pytest.mark.parametrize(
    "value",
    [None, 0, "", [], {}, True, "x", [[]], [None, 1, "x"], {"@id": 7}, {"liveBlogUpdate": 3}],
    ids=repr,
)
def test_values_of_the_wrong_kind_do_no_harm(value: object) -> None:
    keys = ("headline", "articleBody", "url", "@id", "author", "image", "video", "keywords",
            "datePublished", "dateModified", "identifier", "mainEntityOfPage", "@type")  # fmt: skip
    pages = []
    for key in keys:
        fields: dict[str, Any] = {key: value}
        pages.append(a_page(a_live_blog(an_update(**fields), **fields), value))
    pages.append(a_page({"@type": "LiveBlogPosting", "liveBlogUpdate": value, "@graph": value}))

    for page in pages:
        extract(page)
