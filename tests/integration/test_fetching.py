"""Fetching: what is asked of a server, what is dialled, and what becomes of a bad answer."""

import asyncio
import gzip
import os
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import brotli
import pytest
from aiohttp import web

from slugline.decoding import TooLargeError, decoder
from slugline.egress import EgressGuard
from slugline_ingest.elsewhere import in_a_thread
from slugline_ingest.fetching import (
    Failed,
    Fetch,
    Fetched,
    NotModified,
    Trouble,
    Validators,
)
from slugline_ingest.fetching.answers import retry_after
from slugline_ingest.fetching.files import FileFetcher
from slugline_ingest.fetching.web import WebFetcher
from tests.builders import NOON
from tests.fakes import ManualClock
from tests.integration.bad_site import MODIFIED, Site, a_site, zipped

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Names:
    """A resolver with names of its own; each answer may differ from the last."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(found) for name, found in answers.items()}

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        answers = self._answers.get(host)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as running:
        yield running


def a_fetcher(names: Names | None = None, guard: EgressGuard | None = None) -> WebFetcher:
    guard = guard or EgressGuard(LOOPBACK)
    return WebFetcher(guard, names or Names(), ManualClock(), "Slugline/test (+https://us.example)")


async def fetched(url: str, known: Validators | None = None) -> Fetched:
    found = await a_fetcher().fetch(url, known)
    assert isinstance(found, Fetched), found
    return found


def trouble(found: Fetch) -> Trouble:
    assert isinstance(found, Failed), found
    assert "\n" not in found.reason
    assert found.reason
    return found.trouble


async def test_a_document_comes_with_its_kind_charset_and_address(site: Site) -> None:
    found = await fetched(site.page("/live", "<p>é</p>".encode("latin-1"), Content_Type="text/html; charset=latin-1"))  # fmt: skip

    assert (found.data, found.kind, found.charset) == (b"<p>\xe9</p>", "text/html", "latin-1")
    assert found.location == f"{site.url}/live"


async def test_a_server_learns_who_we_are_and_gets_no_cookies_back(site: Site) -> None:
    url = site.page("/live", "x", Set_Cookie="a=b")
    fetcher = a_fetcher()
    await fetcher.fetch(url)
    await fetcher.fetch(url)

    asked = site.asked("/live")[1]
    assert asked.headers["User-Agent"] == "Slugline/test (+https://us.example)"
    assert "Cookie" not in asked.headers


async def test_a_document_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    url = site.page("/live", "x", Last_Modified=MODIFIED)
    first = await fetched(url)

    assert await a_fetcher().fetch(url, first.validators) == NotModified()
    asked = site.asked("/live")[1].headers
    assert asked["If-Modified-Since"] == MODIFIED
    site.page("/live", "y", Last_Modified=MODIFIED)
    assert (await fetched(url, first.validators)).data == b"y"


async def test_a_document_that_is_a_moment_old_has_no_validators(site: Site) -> None:
    url = site.page("/live", "x", Last_Modified=MODIFIED, Date=MODIFIED)

    assert not (await fetched(url)).validators.any


async def test_validators_are_shown_to_nobody_but_who_gave_them(site: Site) -> None:
    known = (await fetched(site.page("/live", "x"))).validators
    site.redirect("/start", "/live")

    assert await a_fetcher().fetch(f"{site.url}/start", known) == NotModified()
    assert "If-None-Match" not in site.asked("/start")[0].headers


async def test_a_304_that_was_not_asked_for_is_a_bad_answer(site: Site) -> None:
    assert trouble(await a_fetcher().fetch(site.page("/live", "", 304))) is Trouble.BAD_ANSWER


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_and_the_last_address_counts(site: Site, status: int) -> None:
    site.page("/new/live", "x")
    found = await fetched(site.redirect("/old", "new/live#top", status))

    assert found.location == f"{site.url}/new/live"


async def test_five_redirects_are_followed_and_no_sixth(site: Site) -> None:
    site.page("/0", "x")
    for number in range(1, 7):
        site.redirect(f"/{number}", f"/{number - 1}")

    assert isinstance(await a_fetcher().fetch(f"{site.url}/5"), Fetched)
    assert trouble(await a_fetcher().fetch(f"{site.url}/6")) is Trouble.BAD_ANSWER


@pytest.mark.parametrize(
    "to",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "https://private.example/",
        "file:///etc/passwd",
        "ftp://files.example/",
        "http://u:p@127.0.0.1/",
        "http://[",
    ],
)
async def test_a_redirect_to_where_nobody_may_go_is_refused(site: Site, to: str) -> None:
    fetcher = a_fetcher(Names(private_example=[["192.168.1.1"]]))

    assert trouble(await fetcher.fetch(site.redirect("/live", to))) in (
        Trouble.REFUSED,
        Trouble.UNREACHABLE,
    )


async def test_a_name_that_changes_its_answer_is_checked_for_each_connection(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    site.redirect("/live", f"http://turning.example:{port}/next")
    site.page("/next", "x")
    names = Names(turning_example=[["127.0.0.1"], ["10.0.0.1"]])
    fetcher = a_fetcher(names)

    found = await fetcher.fetch(f"http://turning.example:{port}/live")

    assert trouble(found) is Trouble.REFUSED
    assert site.asked("/next") == []


async def test_only_the_approved_ones_of_several_addresses_are_dialled(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    site.page("/live", "x")
    fetcher = a_fetcher(Names(both_example=[["10.0.0.1", "127.0.0.1"]]))

    assert isinstance(await fetcher.fetch(f"http://both.example:{port}/live"), Fetched)


async def test_without_an_allowance_nothing_here_is_reached(site: Site) -> None:
    found = await a_fetcher(guard=EgressGuard()).fetch(site.page("/live", "x"))

    assert trouble(found) is Trouble.REFUSED
    assert site.requests == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, Trouble.NOT_FOUND),
        (410, Trouble.GONE),
        (429, Trouble.THROTTLED),
        (500, Trouble.SERVER_ERROR),
        (503, Trouble.SERVER_ERROR),
        (403, Trouble.BAD_ANSWER),
        (204, Trouble.BAD_ANSWER),
        (206, Trouble.BAD_ANSWER),
        (300, Trouble.BAD_ANSWER),
    ],
)
async def test_an_answer_without_a_document_is_told_apart(
    site: Site, status: int, expected: Trouble
) -> None:
    found = await a_fetcher().fetch(site.page("/live", "", status, Retry_After="120"))

    assert trouble(found) is expected
    assert isinstance(found, Failed)
    assert (found.status, found.retry_after) == (status, timedelta(seconds=120))


async def test_an_empty_200_is_a_fault(site: Site) -> None:
    assert trouble(await a_fetcher().fetch(site.page("/live", " \n"))) is Trouble.BAD_ANSWER


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2020 12:01:00 GMT", 0),
        ("99999999999999999999", 86_400),
        ("Sun, 22 Nov 2099 12:01:00 GMT", 86_400),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(
    stated: str, seconds: int | None
) -> None:
    found = retry_after(stated, NOON)

    assert (found.total_seconds() if found is not None else None) == seconds


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_packed_documents_are_unpacked(site: Site, coding: str) -> None:
    page = b"<p>" + b"text " * 50_000
    packed = {"gzip": gzip.compress, "br": brotli.compress}[coding](page)

    found = await fetched(site.page("/live", packed, Content_Encoding=coding))
    assert found.data == page


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (zipped(200_000_000), "gzip"),
        (brotli.compress(bytes(200_000_000), quality=1), "br"),
    ],
    ids=["gzip", "br"],
)
async def test_a_small_answer_that_unpacks_to_a_huge_one_is_too_large(
    site: Site, packed: bytes, coding: str
) -> None:
    assert len(packed) < 1_000_000
    found = await a_fetcher().fetch(site.page("/live", packed, Content_Encoding=coding))

    assert trouble(found) is Trouble.TOO_LARGE


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (zipped(50_000_000), "gzip"),
        (brotli.compress(bytes(50_000_000), quality=1), "br"),
    ],
    ids=["gzip", "br"],
)
def test_unpacking_holds_no_more_than_a_document_may_have(packed: bytes, coding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decoder(coding, largest=1_000_000).add(packed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000


async def test_an_endless_document_is_too_large(site: Site) -> None:
    assert trouble(await a_fetcher().fetch(site.endless("/live"))) is Trouble.TOO_LARGE


async def test_a_document_that_says_that_it_is_too_large_is_not_read(site: Site) -> None:
    page = site.page("/live", b"x" * 10_000_001)

    assert trouble(await a_fetcher().fetch(page)) is Trouble.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "coding"),
    [
        (b"not packed", "gzip"),
        (zipped(1000)[:-9], "gzip"),
        (b"not packed at all", "br"),
        (brotli.compress(b"x" * 100_000)[:-4], "br"),
        (b"x", "zstd"),
        (b"x", "gzip, gzip"),
    ],
    ids=["no gzip", "cut gzip", "no brotli", "cut brotli", "unknown", "twice"],
)
async def test_a_packing_that_is_damaged_or_unknown_is_a_bad_answer(
    site: Site, data: bytes, coding: str
) -> None:
    found = await a_fetcher().fetch(site.page("/live", data, Content_Encoding=coding))

    assert trouble(found) is Trouble.BAD_ANSWER


async def test_a_server_that_never_answers_costs_a_bounded_time(site: Site) -> None:
    url, _ = site.hang("/live")
    fetcher = WebFetcher(EgressGuard(LOOPBACK), Names(), ManualClock(), "Slugline", total=0.2)

    assert trouble(await fetcher.fetch(url)) is Trouble.TIMED_OUT


async def test_a_connection_that_breaks_off_is_told(site: Site) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"<p>half")
        assert request.transport is not None
        request.transport.close()
        return answer

    assert trouble(await a_fetcher().fetch(site.serve("/live", respond))) is Trouble.UNREACHABLE


async def test_a_port_where_nobody_listens_and_a_name_without_address_are_told(
    site: Site,
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    assert trouble(await a_fetcher().fetch(f"http://127.0.0.1:{port}/")) is Trouble.UNREACHABLE
    found = await a_fetcher().fetch("https://nowhere.example/")
    assert trouble(found) is Trouble.UNREACHABLE
    assert isinstance(found, Failed)
    assert "no address" in found.reason


# --- files ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sources/deep").mkdir(parents=True)
    (tmp_path / "sources/deep/page.html").write_text("<p>Live</p>")
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "sources"


def files(folder: Path | None) -> FileFetcher:
    return FileFetcher(folder, in_a_thread)


@pytest.mark.parametrize("form", ["file://{}/deep/page.html", "file:{}/deep/../deep/page.html"])
async def test_a_file_below_the_folder_is_read(folder: Path, form: str) -> None:
    found = await files(folder).fetch(form.format(folder))

    assert isinstance(found, Fetched)
    assert (found.data, found.location) == (b"<p>Live</p>", None)


async def test_a_path_that_is_relative_is_below_the_folder(folder: Path) -> None:
    assert isinstance(await files(folder).fetch("file:deep/page.html"), Fetched)


async def test_a_file_that_has_not_changed_is_told_by_what_it_says(folder: Path) -> None:
    fetcher, url = files(folder), "file:deep/page.html"
    first = await fetcher.fetch(url)
    assert isinstance(first, Fetched)

    os.utime(folder / "deep/page.html")
    assert await fetcher.fetch(url, first.validators) == NotModified()
    (folder / "deep/page.html").write_text("<p>Love</p>")
    assert isinstance(await fetcher.fetch(url, first.validators), Fetched)


@pytest.mark.parametrize(
    "url",
    [
        "file:../secret",
        "file:deep/../../secret",
        "file:///etc/passwd",
        "file:%2e%2e/secret",
        "file:link",
        "file:away/secret",
        "file://elsewhere/page.html",
        "file:",
        "file:.",
        "file:deep/page.html?x",
        "file:a%00b",
    ],
)
async def test_a_file_outside_the_folder_is_refused(folder: Path, url: str) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "away").symlink_to(folder.parent)

    assert trouble(await files(folder).fetch(url)) is Trouble.REFUSED


async def test_without_a_folder_no_file_is_read(folder: Path) -> None:
    found = await files(None).fetch(f"file://{folder}/deep/page.html")

    assert trouble(found) is Trouble.REFUSED
    assert isinstance(found, Failed)
    assert "SLUGLINE_SOURCE_DIR" in found.reason


async def test_what_is_no_readable_file_is_told(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "empty").write_text("")
    (folder / "huge").write_bytes(bytes(10_000_001))

    found = {
        name: trouble(await files(folder).fetch(f"file:{name}"))
        for name in ("none", "deep", "pipe", "empty", "huge", "deep/page.html/x")
    }
    assert found == {
        "none": Trouble.NOT_FOUND,
        "deep": Trouble.UNREADABLE,
        "pipe": Trouble.UNREADABLE,
        "empty": Trouble.BAD_ANSWER,
        "huge": Trouble.TOO_LARGE,
        "deep/page.html/x": Trouble.UNREADABLE,
    }
