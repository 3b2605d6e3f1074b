"""One table of endpoints, from which the routes and the OpenAPI document are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel

from slugline.web.page import api_page
from slugline.web.problems import Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path. *summary* is a sentence; *answers* says what each status means."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, str]
    body: type[BaseModel] | None = None
    #: Content types of a body that is no JSON model.
    takes: Sequence[str] = ()
    query: dict[str, str] = field(default_factory=dict)
    token: bool = True


def register(app: web.Application, title: str, endpoints: Sequence[Endpoint]) -> None:
    """Add *endpoints* to *app*, and `/openapi.json` and its page `/api` that describe them."""
    for endpoint in endpoints:
        app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
    document = openapi(title, endpoints)
    encoded = orjson.dumps(document)
    page = api_page(document)

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=encoded, content_type="application/json")

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    app.router.add_get("/openapi.json", describe)
    app.router.add_get("/api", show)


def openapi(title: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of *endpoints*."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schemas)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    answers = dict(endpoint.answers)
    if endpoint.token:
        answers[401] = "The token is missing or unknown."
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": {
            str(status): {"description": text, **({"content": _PROBLEM} if status >= 400 else {})}
            for status, text in sorted(answers.items())
        },
    }
    if endpoint.token:
        operation["security"] = [{"token": []}]
    content = _content(endpoint, schemas)
    if content:
        operation["requestBody"] = {"required": True, "content": content}
    return operation


_PROBLEM = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
        }
    }
}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1].split(":")[0] for part in endpoint.path.split("/") if part[:1] == "{"]
    text = {"type": "string"}
    path = [{"name": n, "in": "path", "required": True, "schema": text} for n in names]
    query = [
        {"name": name, "in": "query", "description": about, "schema": text}
        for name, about in endpoint.query.items()
    ]
    return path + query


def _content(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    if endpoint.body is None:
        return {kind: {"schema": {"type": "string"}} for kind in endpoint.takes}
    name = endpoint.body.__name__
    schema = endpoint.body.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
