"""Both services against their own descriptions, by schemathesis; and who may do what of it.

The command is run as anybody would run it. Its cases are the same each time.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.ingest_service import TOKEN, ingest_in
from tests.integration.syndicate_service import ADMIN, LOOPBACK, partner, syndicate

#: Cases per operation and phase; those that cover each rule of a schema once come in addition.
EXAMPLES = 60
#: A schema cannot tell all that is wrong with an input ("a title or a body"), so what it allows may
#: be refused; the other way round it may not. That a stranger is told 404 of a subscription is meant,
#: and tested below.
EXCLUDED = "positive_data_acceptance"
#: How wrong input is refused; of a document nothing is wrong input.
CONFIG = """
[parameters]
{names}

[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 406, 409, 412, 413, 415, 422, 428]

[[operations]]
include-path = "/v1/blogs/{{blog}}/documents"
checks.negative_data_rejection.enabled = false
"""
#: Nothing is timed; this only keeps a fault from hanging the suite, in seconds.
PATIENCE = 300.0

#: What anybody may ask, of both services together.
OPEN = {
    *("/livez", "/readyz", "/healthz", "/metrics", "/openapi.json", "/api"),
    *("/", "/blogs/{blog}", "/blogs/{blog}/entries/{entry}"),
    *("/blogs/{blog}/feed.atom", "/blogs/{blog}/feed.rss"),
}


@dataclass(frozen=True)
class Target:
    """A running service, its token, and names of things that exist in it, by path parameter."""

    url: str
    token: str
    names: dict[str, str]
    excluded: str = EXCLUDED


@pytest.fixture(params=["ingest", "syndicate"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    opened = an_ingest(tmp_path) if request.param == "ingest" else a_syndicate(tmp_path)
    async with opened as found:
        yield found


@asynccontextmanager
async def an_ingest(folder: Path) -> AsyncIterator[Target]:
    async with ingest_in(folder, egress_allow=LOOPBACK) as ingest:
        await ingest.post({"id": "e1", "title": "Ferry"})
        source = "/v1/blogs/storm/sources/page"
        await ingest.ask_json("PUT", source, {"url": f"{ingest.url}/nowhere", "interval": 86_400})
        yield Target(ingest.url, TOKEN, {"blog": "storm", "entry": "e1", "source": "page"})


@asynccontextmanager
async def a_syndicate(folder: Path) -> AsyncIterator[Target]:
    async with syndicate(folder) as service, partner() as receiver:
        made = await service.subscribe(receiver.url)
        for number in range(3):
            await service.put(f"e{number}")
        await receiver.entries("e2")
        yield Target(service.base, ADMIN, {"id": made["id"]}, f"{EXCLUDED},ignored_auth")


@pytest.mark.slow
async def test_every_answer_is_one_that_the_description_promises(
    target: Target, tmp_path: Path
) -> None:
    """No 500, no status, content type or field that is not described, nothing accepted that is
    described as wrong, nothing without a token."""
    config = tmp_path / "schemathesis.toml"
    names = "\n".join(f'"path.{name}" = "{value}"' for name, value in target.names.items())
    config.write_text(CONFIG.format(names=names))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(config), "--no-color", "run", f"{target.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {target.token}"),
        *("--generation-deterministic", f"--max-examples={EXAMPLES}", "--continue-on-failure"),
        *("--phases", "examples,coverage,fuzzing", f"--exclude-checks={target.excluded}"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    told = out.decode()
    assert process.returncode == 0, told
    cases = re.search(r"([\d,]+) generated", told)
    assert cases, told
    assert int(cases[1].replace(",", "")) > 500


@pytest.mark.parametrize("token", [None, "wrong", "", "\xff"])
async def test_nothing_under_v1_is_answered_without_a_token(
    target: Target, token: str | None
) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(target.url) as session:
        async with session.get("/openapi.json") as answer:
            paths: dict[str, dict[str, Any]] = json.loads(await answer.text())["paths"]
        assert paths
        for path, methods in paths.items():
            place = path.format(**target.names)
            for method in methods:
                async with session.request(method, place, headers=headers, json={}) as answer:
                    text = await answer.text()
                hidden = token in ("wrong", "\xff") and "{id}" in path  # as one that there is not
                assert answer.status == (404 if hidden else 401), (method, path)
                assert not any(name in text for name in target.names.values()), (method, path)


async def test_what_is_not_under_v1_is_known_to_be_open(tmp_path: Path) -> None:
    """A route that somebody adds is under `/v1`, or stands in the list above."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with ingest_in(tmp_path / "a") as ingest, syndicate(tmp_path / "b") as service:
        routes = [*ingest.app.router.routes(), *service.app.router.routes()]
    found = {route.resource.canonical for route in routes if route.resource}
    assert {path for path in found if not path.startswith("/v1/")} == OPEN
