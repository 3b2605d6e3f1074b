"""Pages, as people and their browsers get them."""

import base64
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from lxml import etree, html

from slugline.blog import Blog, BlogState
from slugline.entry import Entry, Media, Related
from slugline_syndicate.pages.handlers import PAGE
from tests.builders import NOON, a_blog, an_entry, withdrawn
from tests.reading import PUBLIC, Newsroom, Site, open_site

HOUR = timedelta(hours=1)


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
    known = {"title": "Storm", "language": "en-GB", "timezone": "Europe/London"}
    return a_blog(**{**known, **fields})


async def page(site: Site, path: str = "/blogs/storm", status: int = 200) -> Any:
    """The page at *path*, parsed."""
    answer = await site.ask(path)
    assert answer.status == status, answer.body
    return tree(answer.body)


def tree(body: bytes) -> Any:
    """*body* as a parsed page."""
    return html.document_fromstring(body)


def texts(element: Any, path: str) -> list[str]:
    return [" ".join(found.text_content().split()) for found in element.xpath(path)]


def many(count: int) -> list[Entry]:
    """Entries a minute apart, oldest first."""
    return [an_entry(f"e{n:04}", published=NOON + timedelta(minutes=n)) for n in range(count)]


# --- a blog's page --------------------------------------------------------------------------------


async def test_a_blog_shows_its_title_description_lead_and_entries(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(
        storm(description="Gales.", lead="First.\n\nSecond."),
        an_entry("old"),
        an_entry("new", published=NOON + HOUR, authors=("Ada Quill", "Bo")),
    )
    shown = await page(site)

    assert texts(shown, "//h1") == ["Storm"]
    assert texts(shown, "//*[@class='standfirst']") == ["Gales."]
    assert texts(shown, "//main/div[@class='lead']/p") == ["First.", "Second."]
    assert texts(shown, "//article//h3") == ["Heading of new", "Heading of old"]
    assert texts(shown, "//article//*[@class='by']") == ["Ada Quill, Bo"]
    order = [
        e.get("class") or e.get("id") for e in shown.xpath("//main//div[@class='lead'] | //article")
    ]
    assert order == ["lead", "e-new", "e-old"]


async def test_times_and_days_are_in_the_blogs_zone(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(
        storm(timezone="Asia/Tokyo"),
        an_entry("evening", published=datetime(2026, 11, 22, 14, 59, tzinfo=UTC)),
        an_entry("night", published=datetime(2026, 11, 22, 15, 0, tzinfo=UTC)),
    )
    shown = await page(site)

    assert texts(shown, "//h2[@class='day']") == [
        "Monday 23 November 2026",
        "Sunday 22 November 2026",
    ]
    assert texts(shown, "//article//a[@class='when']") == ["00:00", "23:59"]
    assert shown.xpath("//article//a[@class='when']/time/@datetime")[0] == "2026-11-22T15:00:00Z"
    assert texts(shown, "//header//time") == ["2026-11-22 21:00 JST"]


async def test_an_unknown_zone_is_utc_and_the_calendars_ends_are_shown(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(
        storm(timezone="Mars/Olympus"),
        an_entry("first", published=datetime(1, 1, 1, tzinfo=UTC)),
        an_entry("last", published=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
    )
    assert len((await page(site)).xpath("//article")) == 2

    newsroom.says(storm(timezone="Pacific/Kiritimati"))
    assert len((await page(site)).xpath("//article")) == 2
    newsroom.says(storm(timezone="America/New_York"))
    assert len((await page(site)).xpath("//article")) == 2


async def test_days_are_named_in_words_only_where_the_blog_is_in_english(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(language="de"), an_entry("e1"))

    assert texts(await page(site), "//h2[@class='day']") == ["2026-11-22"]


async def test_every_entry_has_an_anchor_and_a_page(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), an_entry("a:1"), an_entry("b.2"))
    shown = await page(site)

    assert shown.xpath("//article/@id") == ["e-a:1", "e-b.2"]
    single = await page(site, "/blogs/storm/entries/a:1")
    assert texts(single, "//h1") == ["Heading of a:1"]
    (place,) = single.xpath("//main//nav/a/@href")
    assert place.endswith("#e-a:1")
    assert "e-a:1" in (await page(site, local(place.partition("#")[0]))).xpath("//article/@id")


async def test_feeds_are_in_the_head_and_in_view(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), an_entry("e1"))
    feeds = [f"{PUBLIC}/blogs/storm/feed.atom", f"{PUBLIC}/blogs/storm/feed.rss"]

    for path in ("/blogs/storm", "/blogs/storm/entries/e1"):
        shown = await page(site, path)
        assert shown.xpath("//head/link[@rel='alternate']/@href") == feeds
        assert shown.xpath("//head/link[@rel='alternate']/@type") == [
            "application/atom+xml",
            "application/rss+xml",
        ]
    assert (await page(site)).xpath("//body//nav[@class='feeds']/a/@href") == feeds


async def test_captions_related_stories_and_edits_are_shown(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(
        storm(),
        an_entry(
            "e1",
            media=(Media(caption="The quay"), Media(url="https://x.example/a.jpg", alt="Quay")),
            related=(Related(title="Why", summary="Wind.", link="https://x.example/w"),),
            link="https://x.example/source",
            revision=2,
            updated=NOON + HOUR,
        ),
        an_entry("e2", revision=3, updated=NOON + timedelta(seconds=30)),
        an_entry("e3", revision=2, updated=NOON + 24 * HOUR),
    )
    shown = await page(site)

    assert texts(shown, "//article[@id='e-e1']//figcaption") == ["The quay"]
    assert shown.xpath("//article[@id='e-e1']//img/@alt") == ["Quay"]
    assert texts(shown, "//aside") == ["Why Wind."]
    assert "https://x.example/source" in shown.xpath("//article//a/@href")
    edits = texts(shown, "//*[@class='edit']")
    assert edits == ["edited 13:00", "edited 2026-11-23 12:00"]


async def test_an_entry_without_a_heading_has_none_and_one_without_a_body_its_summary(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(
        storm(),
        an_entry("untitled", title=None),
        an_entry("brief", body_html="", body_text="", summary="In short."),
    )
    shown = await page(site)

    assert shown.xpath("//article[@id='e-untitled']//h3") == []
    assert texts(shown, "//article[@id='e-brief']//p")[-1] == "In short."


async def test_key_events_are_listed_and_pinned_entries_come_first(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(
        storm(),
        an_entry("pin", pinned=True),
        an_entry("key", published=NOON + HOUR, key_event=True, title=None),
        an_entry("plain", published=NOON + 2 * HOUR),
    )
    shown = await page(site)

    assert shown.xpath("//nav[@class='keys']//a/@href") == ["#e-key"]
    assert texts(shown, "//nav[@class='keys']//a") == ["13:00 The ferry stays in port."]
    assert shown.xpath("//article/@id") == ["e-pin", "e-plain", "e-key"]


async def test_a_closed_blog_says_so(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), an_entry("e1"))
    assert texts(await page(site), "//*[contains(@class, 'badge')]") == ["Live"]

    newsroom.says(storm(state=BlogState.CLOSED))
    assert texts(await page(site), "//*[contains(@class, 'badge')]") == ["Closed"]
    assert texts(await page(site, "/"), "//*[contains(@class, 'badge')]") == ["Closed"]


@pytest.mark.parametrize(
    ("language", "lang", "direction"),
    [
        ("ar", "ar", "rtl"),
        ("he-IL", "he-IL", "rtl"),
        ("en-GB", "en-GB", "ltr"),
        ("", "en", "auto"),
        ("no tag", "en", "ltr"),
    ],
)
async def test_a_page_says_its_language_and_its_direction(
    newsroom: Newsroom, site: Site, language: str, lang: str, direction: str
) -> None:
    newsroom.says(storm(language=language), an_entry("e1"))
    root = (await page(site)).getroottree().getroot()

    assert (root.get("lang"), root.get("dir")) == (lang, direction)
    assert (await page(site)).xpath("//article/@dir") == ["auto"]


async def test_text_is_text_and_never_markup(newsroom: Newsroom, site: Site) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    newsroom.says(
        storm(title=hostile, description=hostile, lead=hostile),
        an_entry(
            "e1",
            title=hostile,
            authors=(hostile,),
            media=(Media(caption=hostile, alt=hostile, url="https://x.example/a.jpg"),),
            related=(Related(title=hostile, summary=hostile),),
            key_event=True,
        ),
    )
    for path in ("/", "/blogs/storm", "/blogs/storm/entries/e1"):
        shown = await page(site, path)
        assert shown.xpath("//script | //*[@onerror]") == []
        assert hostile in "".join(shown.itertext())


# --- pages, newest to oldest ----------------------------------------------------------------------


async def test_a_walk_over_the_pages_gives_every_entry_once_in_order(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(), *many(2 * PAGE + 5))
    seen: list[str] = []
    path: str | None = "/blogs/storm"
    pages = 0
    while path:
        shown = await page(site, path)
        seen += shown.xpath("//article/@id")
        path = next((local(href) for href in shown.xpath("//a[@rel='next']/@href")), None)
        pages += 1

    assert seen == [f"e-e{n:04}" for n in range(2 * PAGE + 4, -1, -1)]
    assert pages == 3


async def test_entries_of_the_same_time_are_not_lost_between_pages(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(), *(an_entry(f"e{n:04}") for n in range(PAGE + 10)))
    first = await page(site)
    second = await page(site, local(first.xpath("//a[@rel='next']/@href")[0]))

    seen = first.xpath("//article/@id") + second.xpath("//article/@id")
    assert seen == [f"e-e{n:04}" for n in range(PAGE + 10)]


async def test_an_older_page_leads_back_and_has_no_lead(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(lead="First."), *many(PAGE + 1))
    older = await page(site, local((await page(site)).xpath("//a[@rel='next']/@href")[0]))

    assert older.xpath("//*[@class='lead']") == []
    assert "Newest entries" in texts(older, "//nav[@class='pager']/a")
    assert older.xpath("//link[@rel='canonical']") == []


async def test_an_older_page_changes_with_its_entries(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), *many(PAGE + 1))
    path = local((await page(site)).xpath("//a[@rel='next']/@href")[0])
    tag = (await site.ask(path)).headers["ETag"]
    assert (await site.ask(path, If_None_Match=tag)).status == 304

    newsroom.says(replace(many(1)[0], title="Corrected"), at=NOON + HOUR)
    answer = await site.ask(path, If_None_Match=tag)

    assert answer.status == 200
    assert b"Corrected" in answer.body


@pytest.mark.parametrize(
    "before", ["", "yesterday", "2026-11-22", "9999-12-31T23:59:59-23:59", "%ff", "%00~"]
)
async def test_a_place_that_is_none_leads_to_the_newest_page(
    newsroom: Newsroom, site: Site, before: str
) -> None:
    newsroom.says(storm(), an_entry("e1"))

    answer = await site.ask(f"/blogs/storm?before={before}")

    assert (answer.status, answer.headers["Location"]) == (302, f"{PUBLIC}/blogs/storm")


# --- withdrawn, removed, moved, unknown -----------------------------------------------------------


async def test_a_withdrawn_entry_is_marked_for_a_day_and_its_page_is_gone(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(), an_entry("e1", title="SECRET"), an_entry("e2"))
    await page(site)
    newsroom.says(withdrawn("e1"), at=NOON + HOUR)

    assert texts(await page(site), "//article[@id='e-e1']//p")[-1] == "This entry was withdrawn."
    gone = await page(site, "/blogs/storm/entries/e1", 410)
    assert texts(gone, "//h1") == ["Withdrawn"]
    assert f"{PUBLIC}/blogs/storm" in gone.xpath("//main//a/@href")
    assert b"SECRET" not in (await site.ask("/blogs/storm")).body

    newsroom.says(an_entry("e3"), at=NOON + 26 * HOUR)
    assert (await page(site)).xpath("//article/@id") == ["e-e2", "e-e3"]


async def test_a_withdrawn_entry_older_than_the_page_is_not_on_it(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(storm(), *many(PAGE + 5))
    newsroom.says(withdrawn("e0001", published=NOON + timedelta(minutes=1)), at=NOON + HOUR)

    assert "e-e0001" not in (await page(site)).xpath("//article/@id")


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/blogs/nowhere", 404, "No such live blog"),
        ("/blogs/%00", 404, "No such live blog"),
        ("/blogs/storm/entries/none", 404, "No such entry"),
        ("/blogs/storm/entries/%ff", 404, "No such entry"),
        ("/blogs/removed", 410, "Removed"),
        ("/blogs/removed/entries/e1", 410, "Removed"),
    ],
)
async def test_errors_are_pages_that_lead_on(
    newsroom: Newsroom, site: Site, path: str, status: int, title: str
) -> None:
    newsroom.says(storm(), a_blog("removed", state=BlogState.REMOVED), an_entry("e1", "removed"))

    answer = await site.ask(path)
    shown = tree(answer.body)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" in answer.headers
    assert texts(shown, "//h1") == [title]
    assert shown.xpath("//main//a/@href")


async def test_a_moved_blog_leads_to_where_it_is(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(state=BlogState.MOVED, moved_to="https://new.example/gale"), an_entry("e1"))

    for path in ("/blogs/storm", "/blogs/storm/entries/e1"):
        answer = await site.ask(path)
        assert (answer.status, answer.headers["Location"]) == (301, "https://new.example/gale")


async def test_while_the_view_is_being_built_people_are_asked_to_wait(newsroom: Newsroom) -> None:
    newsroom.says(storm(), an_entry("e1"))
    async with open_site(newsroom, ready=lambda: False) as site:
        for path in ("/", "/blogs/storm", "/blogs/storm/entries/e1"):
            answer = await site.ask(path)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert b"Heading" not in answer.body


# --- the list of blogs ----------------------------------------------------------------------------


async def test_the_list_has_the_blog_that_changed_last_first(
    newsroom: Newsroom, site: Site
) -> None:
    newsroom.says(
        storm(),
        a_blog("vote", title="Vote"),
        a_blog("cup", title=""),
        a_blog("gone", state=BlogState.REMOVED),
    )
    newsroom.says(an_entry("x", "vote"), at=NOON + HOUR)

    shown = await page(site, "/")

    assert texts(shown, "//main//h2") == ["Vote", "cup", "Storm"]
    assert shown.xpath("//main//h2/a/@href")[0] == f"{PUBLIC}/blogs/vote"

    newsroom.says(an_entry("e1"), at=NOON + 2 * HOUR)
    assert texts(await page(site, "/"), "//main//h2") == ["Storm", "Vote", "cup"]


async def test_a_long_list_has_pages(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(*(a_blog(f"b{n:03}") for n in range(PAGE + 3)))
    first = await page(site, "/")
    second = await page(site, "/" + first.xpath("//a[@rel='next']/@href")[0])

    assert len(first.xpath("//main//h2")) == PAGE
    assert len(second.xpath("//main//h2")) == 3
    assert second.xpath("//a[@rel='next']") == []
    assert second.xpath("//a[@rel='prev']/@href") == ["?page=1"]


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "99999999999999999999", "²"])
async def test_a_page_that_is_none_leads_to_the_first(site: Site, number: str) -> None:
    answer = await site.ask(f"/?page={number}")

    assert (answer.status, answer.headers["Location"]) == (302, f"{PUBLIC}/")


async def test_an_empty_list_says_what_to_do(site: Site) -> None:
    assert "No live blog yet" in (await page(site, "/")).text_content()


async def test_a_removal_does_not_take_the_lists_date_back(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), a_blog("vote"))
    newsroom.says(a_blog("vote", title="Vote"), at=NOON + HOUR)
    before = (await site.ask("/")).headers["Last-Modified"]
    newsroom.says(a_blog("vote", state=BlogState.REMOVED), at=NOON + 2 * HOUR)

    assert (await site.ask("/", If_Modified_Since=before)).status == 200


# --- for browsers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/blogs/storm", "/blogs/storm/entries/e1"])
async def test_pages_are_cached_compressed_and_locked_down(
    newsroom: Newsroom, site: Site, path: str
) -> None:
    newsroom.says(storm(), an_entry("e1"))
    plain = await site.ask(path)
    zipped = await site.ask(path, Accept_Encoding="gzip")
    head = await site.ask(path, "HEAD")

    assert zipped.body == plain.raw
    assert (head.raw, head.headers["Content-Length"]) == (b"", str(len(plain.raw)))
    for answer in (plain, zipped):
        tag = answer.headers["ETag"]
        coding = "gzip" if answer is zipped else "identity"
        again = await site.ask(path, Accept_Encoding=coding, If_None_Match=tag)
        assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", tag)
    assert plain.headers["Last-Modified"] == "Sun, 22 Nov 2026 12:00:00 GMT"
    assert "max-age=30" in plain.headers["Cache-Control"]
    assert plain.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/blogs/storm", "/blogs/storm/entries/e1", "/blogs/none"])
async def test_the_policy_lets_in_the_pages_own_style_and_no_script(
    newsroom: Newsroom, site: Site, path: str
) -> None:
    newsroom.says(storm(), an_entry("e1"))
    answer = await site.ask(path)
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    (style,) = re.findall(rb"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(sha256(style).digest()).decode()

    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in policy
    assert b"<script" not in answer.body
    assert b" style=" not in answer.body


async def test_headings_and_landmarks_are_in_order(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(storm(), an_entry("e1", key_event=True), an_entry("e2", pinned=True))
    for path in ("/", "/blogs/storm", "/blogs/storm/entries/e1", "/blogs/none"):
        answer = await site.ask(path)
        shown = tree(answer.body)
        levels = [int(tag.tag[1]) for tag in shown.xpath("//h1 | //h2 | //h3 | //h4")]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        assert len(shown.xpath("//main[@id='main']")) == 1
        assert shown.xpath("//a[@href='#main']")
        names = shown.xpath("//nav/@aria-label | //nav/@aria-labelledby")
        assert len(names) == len(shown.xpath("//nav"))
        ids = shown.xpath("//@id")
        assert len(set(ids)) == len(ids)


# --- links ----------------------------------------------------------------------------------------


def local(href: str) -> str:
    """*href* as a path of the site under test."""
    return href.removeprefix(PUBLIC) or "/"


def links_in(path: str, body: bytes) -> list[str]:
    """Every address in a page or feed, those inside of a feed's HTML too."""
    if "/feed." not in path:
        shown = tree(body)
        return [str(href) for href in shown.xpath("//@href | //@src")]
    found = []
    for element in etree.fromstring(body).iter(etree.Element):
        name = etree.QName(element).localname
        if name == "link":
            found.append(element.get("href") or element.text or "")
        if name in ("content", "description") and element.text:
            inside: Any = html.fragment_fromstring(element.text, create_parent="div")
            found += [str(href) for href in inside.xpath("//@href | //@src")]
    return found


async def test_every_link_of_every_page_and_feed_opens(newsroom: Newsroom, site: Site) -> None:
    newsroom.says(
        storm(lead="First."),
        a_blog("vote", title="Vote", language="ar"),
        a_blog("empty"),
        an_entry("x", "vote"),
        *many(PAGE + 20),
        an_entry("key", key_event=True, published=NOON + 9 * HOUR),
        an_entry("huge", body_html=f"<p>{'word ' * 30_000}</p>", body_text="word " * 30_000),
        *(an_entry(f"gone{n}", published=NOON + 9 * HOUR) for n in range(3)),
    )
    newsroom.says(
        *(withdrawn(f"gone{n}", published=NOON + 9 * HOUR) for n in range(3)), at=NOON + HOUR
    )
    pages: dict[str, bytes] = {}
    fragments: list[tuple[str, str]] = []
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in pages:
            continue
        answer = await site.ask(path)
        assert answer.status == 200, path
        pages[path] = answer.body
        for href in links_in(path, answer.body):
            target = (
                href
                if href.startswith(PUBLIC)
                else f"{PUBLIC}{path}{href}"
                if href[:1] in "#?"
                else ""
            )
            assert target or href.startswith("https://"), (path, href)
            parts = urlsplit(target)
            if target:
                address = local(f"{PUBLIC}{parts.path}{'?' + parts.query if parts.query else ''}")
                waiting.append(address)
                fragments.append((address, unquote(parts.fragment)))

    assert len(pages) > PAGE
    assert {
        f"/blogs/{blog}/feed.{name}"
        for blog in ("storm", "vote", "empty")
        for name in ("atom", "rss")
    } <= set(pages)
    for address, fragment in fragments:
        if fragment:
            assert tree(pages[address]).xpath("//*[@id=$id]", id=fragment), (
                address,
                fragment,
            )
    assert {"e-gone0", "e-key", "main"} <= {fragment for _, fragment in fragments}
