"""The other subcommands: what they print for programs, and how they refuse."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from tests.e2e.service import (
    PATIENCE,
    SEEDS,
    Service,
    client,
    environment,
    free_port,
    partner,
    running,
    slugline,
)
from tests.integration.bad_site import a_site

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAGE = SEEDS / "storm" / "page-1.txt"
LIVE_PAGES = SEEDS.parent / "tests" / "data" / "jsonld"


async def test_parse_prints_json_where_no_terminal_is() -> None:
    code, out, _ = await slugline("parse", str(PAGE))

    shown = orjson.loads(out)
    assert code == 0
    assert set(shown) == {"blog", "entries"}
    assert set(shown["blog"]) == {"title", "description", "lead"}
    assert set(shown["entries"][0]) == {
        *("id", "title", "authors", "body_text", "body_html", "summary", "related", "media"),
        *("published", "inferred", "confidence"),
    }


async def test_parse_gives_the_ids_that_ingest_will_give(tmp_path: Path) -> None:
    _, out, _ = await slugline("parse", str(PAGE))
    async with running(tmp_path) as service, client(service) as us:
        written = await us.post_text("storm", PAGE.read_text())

    assert set(written["created"]) == {entry["id"] for entry in orjson.loads(out)["entries"]}


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (
            b"<rss><channel>",
            [],
            "application/xml is not a kind of document that this version reads",
        ),
        (b"plain", ["--type", "application/pdf"], "application/pdf is not a kind of document"),
        (b"", [], "the document is empty"),
        (b"caf\xe9 noir", [], "byte 3 is not utf-8"),
    ],
)
async def test_parse_refuses_in_one_line(
    tmp_path: Path, content: bytes, kind: list[str], said: str
) -> None:
    file = tmp_path / "page"
    file.write_bytes(content)

    code, out, err = await slugline("parse", str(file), *kind)

    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert said in err


async def test_parse_reads_an_html_page_from_a_file_and_from_its_address() -> None:
    page = LIVE_PAGES / "harbour.html"
    async with a_site() as site:
        url = site.page("/live", page.read_bytes())
        code, out, err = await slugline("parse", url)
    _, from_file, _ = await slugline("parse", str(page))

    assert (code, err) == (0, "")
    assert [entry["id"] for entry in orjson.loads(out)["entries"]] == [
        "1004",
        "1003",
        "1002",
        "1001",
    ]
    assert orjson.loads(out) == orjson.loads(from_file)


async def test_parse_reaches_no_private_address_unless_it_is_allowed() -> None:
    async with a_site() as site:
        url = site.page("/live", "<p>secret</p>")
        code, out, err = await slugline("parse", url, SLUGLINE_EGRESS_ALLOW="")
        missing = await slugline("parse", f"{site.url}/none")

    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert (missing[0], "answered 404" in missing[2]) == (1, True)
    assert len(site.asked("/live")) == 0


async def test_tail_shows_events_while_the_service_runs(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_entry("storm", id="e1", title="Doors open")
        await us.post_entry("vote", id="v1", title="Counting begins")
        await us.post_entry("storm", id="e1", title="Doors open late")

        code, out, _ = await slugline(
            *("tail", "--data", str(tmp_path), "--earliest", "--no-follow", "--blog", "storm")
        )

    events = [orjson.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(e["type"], e["entry"], e["changed"]) for e in events] == [
        ("blog.updated", "", []),
        ("entry.created", "e1", []),
        ("entry.updated", "e1", ["title"]),
    ]


async def test_lag_tells_what_waits_for_whom(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as service,
        client(service) as us,
        partner(lambda _: 503) as broken,
        partner() as fine,
    ):
        for number in range(3):
            await us.post_entry("storm", id=f"e{number}", title=f"Entry {number}")
        await us.subscribe(broken.url, "storm")
        await us.subscribe(fine.url, "storm")
        await broken.until(lambda arrivals: len(arrivals) >= 1)
        await fine.until(lambda arrivals: len(arrivals) == 4)
        await service.stop()  # so that what was delivered stands in the log

        code, out, _ = await slugline("lag", "--data", str(tmp_path))

    rows = {row["url"]: row for row in orjson.loads(out)}
    assert code == 0
    assert (rows[broken.url]["waiting_events"], rows[broken.url]["reason"]) == (4, "answered 503")
    assert rows[broken.url]["oldest_waiting"] is not None
    assert (rows[fine.url]["waiting_events"], rows[fine.url]["oldest_waiting"]) == (0, None)


async def test_health_tells_by_its_exit_code_whether_all_is_well(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        ports = [
            *("--ingest-port", str(service.ingest_port)),
            *("--syndicate-port", str(service.syndicate_port)),
        ]
        up, out, _ = await slugline("health", *ports)
        await service.stop()
        down, said, _ = await slugline("health", *ports)

    assert (up, down) == (0, 1)
    assert [row["ready"] for row in orjson.loads(out)] == [True, True]
    assert all("error" in row for row in orjson.loads(said))


async def test_a_view_is_rebuilt_by_hand_and_only_while_nobody_serves_from_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as service, client(service) as us:
        await us.post_text("storm", PAGE.read_text())
        before = await us.text("/blogs/storm/feed.atom")
        refused, _, why = await slugline("view", "rebuild", "--data", str(tmp_path))
        await service.stop()

        code, out, _ = await slugline("view", "rebuild", "--data", str(tmp_path))

        assert (refused, code) == (2, 0)
        assert "another process" in why
        assert "rebuilt from" in out
        await service.start()
        assert await us.text("/blogs/storm/feed.atom") == before


@pytest.mark.parametrize("command", [["tail"], ["lag"], ["view", "rebuild"], ["token"]])
async def test_a_folder_without_a_log_is_told_in_one_line(
    tmp_path: Path, command: list[str]
) -> None:
    code, out, err = await slugline(*command, "--data", str(tmp_path / "none"))

    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "start 'slugline run' once" in err
    assert not (tmp_path / "none").exists()


async def test_listen_tells_true_webhooks_from_false_ones() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "slugline_cli", "listen", "--port", str(port), "--secret", SECRET),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            await process.stderr.readline()
            url = f"http://127.0.0.1:{port}/any/path"
            statuses = [
                await post(url, a_webhook("one", "")),
                await post(url, a_webhook("one", "")),
                await post(url, a_webhook("three", "two")),
                await post(url, a_webhook("four", "three", secret="whsec_QUJD")),
            ]
            told = [orjson.loads(await process.stdout.readline()) for _ in statuses]
    finally:
        process.terminate()
        await process.wait()

    assert statuses == [204, 204, 204, 401]
    assert [(t["again"], t["missed"], t["fault"]) for t in told] == [
        (False, False, ""),
        (True, False, ""),
        (False, True, ""),
        (False, False, "its signature is wrong"),
    ]
    assert process.returncode == 0


def a_webhook(name: str, previous: str, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    data = {"sequence": 1, "previous": previous, "blog": {"id": "storm"}, "entry": {"id": "e1"}}
    body = orjson.dumps({"type": "entry.created", "timestamp": "", "data": data})
    now = datetime.now(UTC)
    return body, {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body.decode()),
    }


async def post(url: str, webhook: tuple[bytes, dict[str, str]]) -> int:
    body, headers = webhook
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_every_command_explains_itself() -> None:
    code, out, _ = await slugline("--help")

    assert code == 0
    for command in ("run", "parse", "listen", "token", "tail", "lag", "health", "view"):
        assert f"  {command} " in out


async def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    service = Service(tmp_path)
    await service.start()
    async with client(service) as us:
        for number in range(300):
            await us.post_entry("storm", id=f"e{number}", title="x" * 900)
    await service.stop()
    command = f"{sys.executable} -m slugline_cli tail --data {tmp_path} --earliest --no-follow"

    shell = await asyncio.create_subprocess_shell(
        f"{command} | head -n 1", env=environment(), stderr=asyncio.subprocess.PIPE
    )

    _, err = await shell.communicate()
    assert err == b""
