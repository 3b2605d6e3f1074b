"""The description of the interface: a valid document that has every route, and a page of it."""

import re
from typing import Any

import pytest
from aiohttp import web

from slugline.settings import Settings
from slugline.telemetry import Metrics
from slugline.view.entries import EntriesView
from slugline.web.auth import Tokens
from slugline.web.endpoints import Endpoint, openapi, register
from slugline.web.page import api_page
from slugline.web.server import make_application
from slugline_ingest.routes import Routes
from slugline_ingest.writer import BlogWriter
from tests.fakes import ManualClock

METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


def endpoints() -> list[Endpoint]:
    clock, entries = ManualClock(), EntriesView()
    nothing: Any = None  # the table alone is asked for
    writer = BlogWriter(nothing, entries, nothing, clock, Metrics())
    return Routes(writer, entries, Tokens("t"), clock, Settings().tag_authority).endpoints()


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi("Slugline ingest", endpoints())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for inner in value.values() for ref in references(inner)]
    return [ref for inner in value for ref in references(inner)] if isinstance(value, list) else []


def test_the_document_has_what_openapi_3_1_asks_for(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for method, path, operation in operations(document):
        assert method in METHODS
        assert operation["responses"]
        assert all(re.fullmatch(r"[1-5]\d\d", status) for status in operation["responses"])
        assert all(answer["description"] for answer in operation["responses"].values())
        in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", path)
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)

    assert found
    for reference in found:
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]


def test_every_route_under_v1_is_described(document: dict[str, Any]) -> None:
    app = make_application()
    register(app, "Slugline ingest", endpoints())
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.resource.canonical.startswith("/v1")
    }

    assert routes
    assert {(method, path) for method, path, _ in operations(document)} == routes


def test_every_write_has_schemas_of_what_it_takes_and_answers(document: dict[str, Any]) -> None:
    for method, _, operation in operations(document):
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["$ref"]
        if method in ("put", "post"):
            content = operation["requestBody"]["content"]
            assert all(kind["schema"] for kind in content.values())
        assert operation["responses"]["401"]["content"]["application/problem+json"]["schema"]
        assert operation["security"] == [{"token": []}]


def test_one_entry_or_a_list_of_them_is_described(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/blogs/{blog}/entries"]["post"]["requestBody"]
    one, many = body["content"]["application/json"]["schema"]["oneOf"]

    assert many == {"type": "array", "items": one}
    assert one == {"$ref": "#/components/schemas/PushedEntry"}


def test_the_schema_of_an_entry_names_its_fields_as_they_are_sent(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["PushedEntry"]

    assert set(schema["properties"]) == {
        "id",
        "title",
        "body_html",
        "body_text",
        "summary",
        "published",
        "updated",
        "authors",
        "link",
        "media",
        "related",
        "tags",
        "key",
        "pinned",
    }
    assert schema["additionalProperties"] is False
    assert schema["properties"]["published"]["anyOf"][0]["format"] == "date-time"


def test_the_page_shows_every_operation_and_hides_nothing_dangerous() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise AssertionError

    told = Endpoint(
        method="GET",
        path="/v1/<b>{id}</b>",
        handler=handler,
        summary="<script>alert(1)</script>",
        answers={200: "Fine."},
        query={"after": "Where to go on."},
    )
    page = api_page(openapi("T & T", [*endpoints(), told]))

    assert "<script" not in page
    assert "T &amp; T" in page
    assert page.count("<summary><span") == 8
    assert "PushedEntry" in page
    assert "or a list of them" in page
    assert "width=device-width" in page
    assert "http" not in re.sub(r"https?://(x|news)\.\S*|RFC \d+", "", page.split("<body>")[0])
