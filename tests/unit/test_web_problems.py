"""Errors over HTTP: one shape for all, and each says what to do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from slugline.errors import (
    EgressRefusedError,
    InvalidInputError,
    LogDamagedError,
    LogFullError,
    LogUnavailableError,
    Mistake,
    OutcomeUnknownError,
    RecordRefusedError,
    SettingsError,
)
from slugline.web.auth import Tokens, bearer, token_hash
from slugline.web.bodies import Body, check, read_bytes, read_json
from slugline.web.problems import Handler, Problem, not_found, problem_of
from slugline.web.server import make_application, serving


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """A server whose `/` is answered by *handler*; yields its address."""
    app = make_application()
    app.router.add_get("/", handler)
    app.router.add_post("/", handler)
    async with serving(app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def ask(
    url: str, method: str = "GET", **options: Any
) -> tuple[int, dict[str, str], dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as found:
        text = await found.text()
        return found.status, dict(found.headers), json.loads(text) if text else {}


def raising(error: Exception) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Problem(409, "Withdrawn", "PUT it."), 409),
        (not_found("blog", "storm"), 404),
        (InvalidInputError(Mistake("title", "give a text")), 422),
        (EgressRefusedError("10.0.0.1 is private"), 422),
        (RecordRefusedError("too large"), 422),
        (LogFullError("no room"), 507),
        (LogUnavailableError("the log is away"), 503),
        (OutcomeUnknownError("not acknowledged"), 503),
        (LogDamagedError("damaged"), 500),
        (SettingsError("secret=12345"), 500),
        (RuntimeError("secret=12345"), 500),
        (web.HTTPGone(), 410),
    ],
)
async def test_every_error_is_a_problem(error: Exception, status: int) -> None:
    async with answering(raising(error)) as url:
        found, headers, body = await ask(url)

    assert found == status
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert body["status"] == status
    assert body["title"]
    assert "12345" not in json.dumps(body)


async def test_the_log_being_away_says_when_to_try_again_and_that_it_is_safe() -> None:
    async with answering(raising(OutcomeUnknownError("not acknowledged"))) as url:
        _, headers, body = await ask(url)

    assert headers["Retry-After"] == "2"
    assert "same request is safe" in body["detail"]


def test_all_mistakes_are_listed_and_the_first_are_told() -> None:
    mistakes = [Mistake(f"[{n}].title", "give a text") for n in range(1_000)]

    body = problem_of(InvalidInputError(*mistakes)).body

    assert len(body["mistakes"]) == 1_000
    assert body["mistakes"][0] == {"field": "[0].title", "message": "give a text"}
    assert body["detail"].endswith("and 995 more")
    assert len(body["detail"]) < 500


async def test_an_unknown_path_is_a_problem() -> None:
    async with answering(raising(RuntimeError())) as url:
        status, headers, body = await ask(f"{url}/nowhere")

    assert (status, body["status"]) == (404, 404)
    assert headers["Content-Type"] == "application/problem+json"


async def test_another_method_is_told_which_are_allowed() -> None:
    async with answering(raising(RuntimeError())) as url:
        status, headers, body = await ask(url, "DELETE")

    assert status == 405
    assert set(headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
    assert headers["Allow"] in body["detail"]


async def test_a_redirect_stays_a_redirect() -> None:
    async with (
        answering(raising(web.HTTPFound("/elsewhere"))) as url,
        aiohttp.ClientSession() as session,
        session.get(url, allow_redirects=False) as found,
    ):
        assert (found.status, found.headers["Location"]) == (302, "/elsewhere")


# --- tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer right", 200),
        ("bearer right", 200),
        ("Bearer  right ", 200),
        ("Bearer wrong", 401),
        ("Bearer right2", 401),
        ("Bearer RIGHT", 401),
        ("Bearer ", 401),
        ("Basic right", 401),
        ("right", 401),
        (None, 401),
    ],
)
async def test_the_admins_token_and_no_other_passes(header: str | None, status: int) -> None:
    tokens = Tokens("right")

    async def handler(request: web.Request) -> web.Response:
        tokens.require_admin(request)
        return web.json_response({})

    async with answering(handler) as url:
        headers = {"Authorization": header} if header else {}
        found, answered, _ = await ask(url, headers=headers)

    assert found == status
    assert status == 200 or answered["WWW-Authenticate"].startswith("Bearer")


async def test_a_things_own_token_passes_and_to_others_it_does_not_exist() -> None:
    tokens = Tokens("admin")

    async def handler(request: web.Request) -> web.Response:
        tokens.require(request, token_hash("owner"))
        return web.json_response({"by": bearer(request)})

    async with answering(handler) as url:
        found = {
            token: (await ask(url, headers={"Authorization": f"Bearer {token}"}))[0]
            for token in ("admin", "owner", "other")
        }

    assert found == {"admin": 200, "owner": 200, "other": 404}


def test_without_an_admins_token_nobody_is_admin() -> None:
    assert not Tokens("").is_admin("anything")


# --- bodies -------------------------------------------------------------------------------------------


class Sample(Body):
    """A body to check."""

    name: str
    count: int = 0
    inner: tuple["Sample", ...] = ()


def test_mistakes_are_named_by_their_place() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(Sample, {"name": 5, "inner": [{"name": "a"}, {"nam": "b"}]}, "[3]")

    assert {m.field: m.message for m in caught.value.mistakes} == {
        "[3].name": "give a text in quotes",
        "[3].inner[1].name": "this field is needed",
        "[3].inner[1].nam": "there is no such field; leave it out",
    }


async def test_what_is_no_json_is_told_where() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"read": await read_json(request)})

    kind = {"Content-Type": "application/json"}
    async with answering(handler) as url:
        assert (await ask(url, "POST", data=b'{"a": 1}', headers=kind))[2] == {"read": {"a": 1}}
        status, _, body = await ask(url, "POST", data=b'{"a": 1,\n"b" 2}', headers=kind)

    assert status == 400
    assert body["detail"].startswith("Line 2, column 5")


@pytest.mark.parametrize(("size", "status"), [(10_000_000, 200), (10_000_001, 413)])
async def test_the_limit_of_a_body_is_exact(size: int, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"read": len(await read_bytes(request))})

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 1_000_000):
            yield b"x" * min(1_000_000, size - start)

    async with answering(handler) as url:
        assert (await ask(url, "POST", data=chunks()))[0] == status
        declared = {"Content-Length": str(size)}
        assert (await ask(url, "POST", data=chunks(), headers=declared))[0] == status


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with serving(make_application(), "127.0.0.1", 0) as port:
        with pytest.raises(SettingsError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            async with serving(make_application(), "127.0.0.1", port):
                pass

    assert "\n" not in str(caught.value)
