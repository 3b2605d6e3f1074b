"""Sources end to end: named over HTTP, polled from a real site, told of, and taken away again."""

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.fakes import ManualClock
from tests.integration.bad_site import MODIFIED, Site, a_site, zipped
from tests.integration.ingest_service import Answer, IngestService, ingest_in

ALLOWED: dict[str, Any] = {"egress_allow": (ip_network("127.0.0.0/8"),)}
MAIN = "/v1/blogs/storm/sources/main"

#: Nothing is timed; this only keeps a fault from hanging the suite, in seconds.
PATIENCE = 20.0


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as running:
        yield running


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[IngestService]:
    async with ingest_in(tmp_path, **ALLOWED) as service:
        yield service


def a_live_page(*entries: tuple[str, str], url: str = "https://storm.example/live") -> str:
    """A page whose JSON-LD has *entries*, ids and texts, newest first."""
    updates = [
        {
            "headline": f"Heading of {name}",
            "articleBody": text,
            "url": f"{url}#{name}",
            "datePublished": f"2026-11-22T11:{59 - place:02}:00Z",
        }
        for place, (name, text) in enumerate(entries)
    ]
    blog = {
        "@type": "LiveBlogPosting",
        "headline": "Storm live",
        "url": url,
        "liveBlogUpdate": updates,
    }
    return f'<html><script type="application/ld+json">{json.dumps(blog)}</script></html>'


async def put(ingest: IngestService, url: str, path: str = MAIN, **more: Any) -> Answer:
    answer = await ingest.ask_json("PUT", path, {"url": url, "interval": 15, **more})
    assert answer.status == 200, answer.body
    return answer


async def polled(ingest: IngestService, path: str = MAIN) -> Any:
    """The source once it has been polled at the time that it is now."""
    now = ingest.clock.now().isoformat().replace("+00:00", "Z")
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await ingest.ask("GET", path)
            assert answer.status == 200, answer.body
            if answer.body["last"] and answer.body["last"]["at"] == now:
                return answer.body


async def poll_again(ingest: IngestService, seconds: float = 15, path: str = MAIN) -> Any:
    await ingest.clock.advance(seconds)
    return await polled(ingest, path)


def count(ingest: IngestService, outcome: str) -> float:
    found = ingest.metrics.registry.get_sample_value("slugline_polls_total", {"outcome": outcome})
    return found or 0.0


async def test_a_page_is_polled_its_entries_created_and_an_edit_published(
    ingest: IngestService, site: Site
) -> None:
    url = site.page("/live", a_live_page(("e2", "Second."), ("e1", "First.")))
    await put(ingest, url)
    first = await polled(ingest)
    second = await poll_again(ingest)
    site.page("/live", a_live_page(("e2", "Second, corrected."), ("e1", "First.")))
    third = await poll_again(ingest)

    results = [each["last"]["result"] for each in (first, second, third)]
    assert results == ["published", "not-modified", "published"]
    assert [first["last"]["created"], third["last"]["updated"]] == [2, 1]
    assert ingest.kinds() == ["blog.updated", "entry.created", "entry.created", "entry.updated"]
    assert ingest.row("e2").entry.body_text == "Second, corrected."
    assert len(site.asked("/live")) == 3


async def test_a_source_shows_its_last_poll_what_it_gave_and_the_next(
    ingest: IngestService, site: Site
) -> None:
    made = await put(ingest, site.page("/live", a_live_page(("e1", "First."))), interval=20)
    first = await polled(ingest)
    later = await poll_again(ingest, 20)

    assert made.body["last"] is None
    assert first["interval"] == 20
    assert first["next"] == "2026-11-22T12:00:20Z"
    gave = {"at": "2026-11-22T12:00:00Z", "created": 1, "updated": 0, "deleted": 0}
    assert later["last_published"] == gave
    assert later["last"]["created"] == 0
    assert later["next"] == "2026-11-22T12:00:40Z"


async def test_the_same_bytes_are_not_read_again_where_nothing_can_be_asked(
    ingest: IngestService, site: Site
) -> None:
    page = a_live_page(("e1", "First."))
    await put(ingest, site.page("/live", page, ETag="", Last_Modified=MODIFIED, Date=MODIFIED))
    await polled(ingest)

    last = (await poll_again(ingest))["last"]
    assert (last["result"], last["status"]) == ("unchanged", 200)
    assert last["unchanged"] == 0  # no entry was even looked at


async def test_a_page_of_which_only_the_surroundings_change_gives_nothing(
    ingest: IngestService, site: Site
) -> None:
    page = a_live_page(("e1", "First."))
    await put(ingest, site.page("/live", f"{page}<p>12:00</p>"))
    await polled(ingest)
    site.page("/live", f"{page}<p>12:01</p>")
    last = (await poll_again(ingest))["last"]

    assert (last["result"], last["unchanged"]) == ("unchanged", 0)


async def test_entries_that_have_left_the_page_are_not_deleted(
    ingest: IngestService, site: Site
) -> None:
    url = site.page("/live", a_live_page(("e2", "Second."), ("e1", "First.")))
    await put(ingest, url)
    await polled(ingest)
    site.page("/live", a_live_page(("e3", "Third."), ("e2", "Second.")))
    await poll_again(ingest)

    assert {entry.id for entry in ingest.standing()} == {"e1", "e2", "e3"}


async def test_what_was_withdrawn_through_the_api_stays_withdrawn(
    ingest: IngestService, site: Site
) -> None:
    await put(ingest, site.page("/live", a_live_page(("e1", "First."))))
    await polled(ingest)
    await ingest.ask("DELETE", "/v1/blogs/storm/entries/e1")
    site.page("/live", a_live_page(("e2", "Second."), ("e1", "First.")))
    await poll_again(ingest)

    assert [entry.id for entry in ingest.standing()] == ["e2"]


TROUBLES = {
    "not-found": ("/none", 404),
    "gone": ("/gone", 410),
    "throttled": ("/throttled", 429),
    "server-error": ("/down", 503),
    "too-large": ("/bomb", None),
    "refused": ("/private", None),
    "bad-answer": ("/empty", 200),
    "unreadable": ("/pdf", None),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_told_counted_logged_once_and_deletes_nothing(
    ingest: IngestService, site: Site, trouble: str
) -> None:
    good, page = site.page("/live", "x"), a_live_page(("e1", "First."))
    site.page("/gone", "", 410)
    site.page("/throttled", "", 429)
    site.page("/down", "", 503)
    site.page("/bomb", zipped(50_000_000), Content_Encoding="gzip")
    site.redirect("/private", "http://10.0.0.1/")
    site.page("/empty", "")
    site.page("/pdf", b"%PDF\0", Content_Type="application/pdf")
    path, status = TROUBLES[trouble]
    site.page("/live", page)
    await put(ingest, good)
    await polled(ingest)
    fine, bad = site.pages["/live"], site.pages.get(path)

    with capture_logs() as told:
        site.pages["/live"] = bad or _missing
        first = await poll_again(ingest)
        second = await poll_again(ingest, 30)
        site.pages["/live"] = fine
        healed = await poll_again(ingest, 60)

    assert [first["last"]["trouble"], second["last"]["trouble"]] == [trouble, trouble]
    assert first["last"]["status"] == status
    assert first["last"]["reason"]
    assert (first["failures"], second["failures"], healed["failures"]) == (1, 2, 0)
    assert [line["event"] for line in told] == ["source.failing", "source.recovered"]
    assert count(ingest, trouble) == 2
    assert [entry.id for entry in ingest.standing()] == ["e1"]


async def _missing(_: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def test_a_failing_source_is_asked_less_and_less_up_to_every_quarter_hour(
    ingest: IngestService, site: Site
) -> None:
    await put(ingest, f"{site.url}/none")
    await polled(ingest)
    waits = [30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0]
    for wait in waits:
        asked = len(site.asked("/none"))
        await ingest.clock.advance(wait - 1)
        assert len(site.asked("/none")) == asked
        await poll_again(ingest, 1)


async def test_a_server_is_asked_again_when_it_says_also_after_a_restart(
    tmp_path: Path, site: Site
) -> None:
    site.page("/live", "", 429, Retry_After="3600")
    clock = ManualClock()
    async with ingest_in(tmp_path, clock, **ALLOWED) as ingest:
        await put(ingest, f"{site.url}/live")
        assert (await polled(ingest))["next"] == "2026-11-22T13:00:00Z"
    async with ingest_in(tmp_path, clock, **ALLOWED) as ingest:
        await ingest.clock.advance(1800)
        shown = (await ingest.ask("GET", MAIN)).body
        assert shown["next"] == "2026-11-22T13:00:00Z"
        assert len(site.asked("/live")) == 1
        await poll_again(ingest, 1800)

    assert len(site.asked("/live")) == 2


@pytest.mark.parametrize(
    "page",
    [
        "<html><p>An ordinary page</p></html>",
        '<html><script type="application/ld+json">{"@type": "LiveBlogPosting", </script></html>',
        "<div>" * 100_000,
    ],
    ids=["ordinary", "defective", "nested"],
)
async def test_a_page_without_entries_changes_nothing_and_says_so(
    ingest: IngestService, site: Site, page: str
) -> None:
    await put(ingest, site.page("/live", page))

    last = (await polled(ingest))["last"]
    assert last["result"] == "no-entries"
    assert "no entry" in last["reason"]
    assert ingest.events() == []


async def test_a_source_that_is_removed_is_not_polled_any_more(
    ingest: IngestService, site: Site
) -> None:
    await put(ingest, site.page("/live", a_live_page(("e1", "First."))))
    await polled(ingest)
    removed = await ingest.ask("DELETE", MAIN)
    await ingest.clock.advance(3600)

    assert removed.status == 204
    assert len(site.asked("/live")) == 1
    assert (await ingest.ask("GET", MAIN)).status == 404
    assert (await ingest.ask("DELETE", MAIN)).status == 404
    assert [entry.id for entry in ingest.standing()] == ["e1"]


async def test_removing_a_source_cuts_the_fetch_that_is_under_way(
    ingest: IngestService, site: Site
) -> None:
    url, asked = site.hang("/live")
    other = site.page("/other", a_live_page(("e1", "First.")))
    await put(ingest, url)
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
    await put(ingest, other, "/v1/blogs/storm/sources/other")
    assert site.asked("/other") == []

    await ingest.ask("DELETE", MAIN)

    assert (await polled(ingest, "/v1/blogs/storm/sources/other"))["last"]["created"] == 1


async def test_a_source_that_is_changed_is_polled_at_once(
    ingest: IngestService, site: Site
) -> None:
    await put(ingest, f"{site.url}/none")
    await polled(ingest)
    await ingest.clock.advance(1)
    await put(ingest, site.page("/live", a_live_page(("e1", "First."))))

    shown = await polled(ingest)
    assert (shown["last"]["result"], shown["failures"]) == ("published", 0)


async def test_naming_a_source_again_as_it_is_changes_nothing(
    ingest: IngestService, site: Site
) -> None:
    url = site.page("/live", a_live_page(("e1", "First.")))
    first = (await put(ingest, url)).body
    await ingest.clock.advance(1)

    assert (await put(ingest, url)).body["changed"] == first["changed"]


async def test_what_was_not_published_is_fetched_again_whole(
    ingest: IngestService, site: Site
) -> None:
    page, asked = a_live_page(("e1", "First.")), asyncio.Event()

    async def cut_off_meanwhile(_: web.Request) -> web.StreamResponse:
        ingest.log.away = True
        asked.set()
        return web.Response(text=page, content_type="text/html", headers={"ETag": '"1"'})

    await put(ingest, site.serve("/live", cut_off_meanwhile))
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
    failed = await polled(ingest)
    ingest.log.away = False
    site.page("/live", page, ETag='"1"')
    again = await poll_again(ingest)

    assert failed["last"]["trouble"] == "log-away"
    assert again["last"]["created"] == 1
    assert "If-None-Match" not in site.asked("/live")[1].headers


async def test_nothing_is_fetched_while_the_log_is_away(ingest: IngestService, site: Site) -> None:
    await put(ingest, site.page("/live", a_live_page(("e1", "First."))))
    await polled(ingest)
    ingest.log.away = True
    shown = await poll_again(ingest)

    assert shown["last"]["trouble"] == "log-away"
    assert shown["next"] == "2026-11-22T12:00:30Z"
    assert len(site.asked("/live")) == 1


async def test_a_blog_that_was_removed_is_not_fetched(ingest: IngestService, site: Site) -> None:
    await put(ingest, site.page("/live", a_live_page(("e1", "First."))))
    await polled(ingest)
    await ingest.ask_json("PUT", "/v1/blogs/storm", {"state": "removed"})

    assert (await poll_again(ingest))["last"]["trouble"] == "blog-removed"
    assert len(site.asked("/live")) == 1


async def test_a_file_is_a_source_too(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "live.html").write_text(a_live_page(("e1", "First.")))
    async with ingest_in(tmp_path, source_dir=folder) as ingest:
        await put(ingest, f"file://{folder}/live.html")
        assert (await polled(ingest))["last"]["created"] == 1
        (folder / "live.html").write_text(a_live_page(("e1", "First, corrected.")))
        assert (await poll_again(ingest))["last"]["updated"] == 1


@pytest.mark.parametrize(("kind", "served"), [(None, "text/plain"), ("text/plain", "text/html")])
async def test_what_a_source_says_of_its_kind_overrules_the_document(
    ingest: IngestService, site: Site, kind: str | None, served: str
) -> None:
    flat = "Storm live: ferries stay in port\n" + "".join(
        f"Heading number {n} of the day\n1{n}:30\nThe text under heading {n} is long enough to be one.\n"
        for n in (3, 2, 1)
    )
    more = {"type": kind} if kind else {}
    await put(ingest, site.page("/live", flat, Content_Type=served), **more)

    assert (await polled(ingest))["last"]["created"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://live.example/", "interval": 0.9}, "interval"),
        ({"url": "https://live.example/", "interval": "often"}, "interval"),
        ({"url": "https://live.example/", "interval": 1e9}, "interval"),
        ({"url": "https://live.example/", "type": "application/pdf"}, "type"),
        ({"url": "https://live.example/", "every": 3}, "every"),
        ({"url": ""}, "url"),
    ],
)
async def test_a_source_that_is_wrong_is_refused_by_field(
    ingest: IngestService, body: dict[str, Any], field: str
) -> None:
    answer = await ingest.ask_json("PUT", MAIN, body)

    assert answer.status == 422
    assert [mistake["field"] for mistake in answer.body["mistakes"]] == [field]


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/live",
        "https://169.254.169.254/",
        "https://[::1]/",
        "ftp://live.example/",
        "live.example",
        "https://u:p@live.example/",
        "https://live.example/#top",
        "file:///etc/passwd",
    ],
)
async def test_an_address_that_will_never_be_fetched_is_refused_at_once(
    ingest: IngestService, url: str
) -> None:
    answer = await ingest.ask_json("PUT", MAIN, {"url": url})

    assert (answer.status, answer.body["title"]) == (422, "Destination refused")
    assert (await ingest.ask("GET", MAIN)).status == 404


async def test_a_source_and_its_blog_need_good_names_and_a_token(ingest: IngestService) -> None:
    body = {"url": "https://live.example/"}
    bad_source = await ingest.ask_json("PUT", "/v1/blogs/storm/sources/a%7Cb", body)
    bad_blog = await ingest.ask_json("PUT", "/v1/blogs/Storm/sources/main", body)
    stranger = await ingest.ask_json("PUT", MAIN, body, token=None)

    assert [bad_source.status, bad_blog.status, stranger.status] == [422, 422, 401]


async def test_a_source_cannot_be_named_while_the_log_is_away(ingest: IngestService) -> None:
    ingest.log.away = True
    answer = await ingest.ask_json("PUT", MAIN, {"url": "https://127.0.0.1/"})

    assert answer.status == 503
    assert "Retry-After" in answer.headers
