"""One table of endpoints, from which the routes and the OpenAPI document are made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from slugline.blog import BLOG_ID
from slugline.entry import ENTRY_ID
from slugline.web.page import api_page
from slugline.web.problems import MAX_BODY, Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path. *summary* is a sentence; *answers* says what each status means."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, str]
    body: type[BaseModel] | None = None
    #: Whether a list of such bodies is taken too.
    many: bool = False
    #: Whether it may be left out.
    optional: bool = False
    #: What a success answers with: a dataclass or a model.
    returns: type[Any] | None = None
    #: Content types of a body that is no JSON model.
    takes: Sequence[str] = ()
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
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
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
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
    operation: dict[str, Any] = {
        "operationId": _name(endpoint),
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": {
            str(status): _answer(endpoint, status, about, schemas)
            for status, about in sorted(_answers(endpoint).items())
        },
    }
    if endpoint.token:
        operation["security"] = [{"token": []}]
    content = _content(endpoint, schemas)
    if content:
        operation["requestBody"] = {"required": not endpoint.optional, "content": content}
    return operation


def _name(endpoint: Endpoint) -> str:
    words = re.findall(r"[a-z0-9]+", endpoint.path.removeprefix("/v1"))
    return "_".join((endpoint.method.lower(), *words))


def _answers(endpoint: Endpoint) -> dict[int, str]:
    """What the endpoint says that it answers, and what every one of its kind does."""
    answers: dict[int, str] = {}
    if endpoint.token:
        answers[401] = "The token is missing or unknown."
    if endpoint.body or endpoint.takes:
        answers |= {400: "Damaged.", 408: "Too slow."}
        answers |= {413: f"Over {MAX_BODY:,} bytes.", 415: "Unknown kind of body."}
    return answers | endpoint.answers


def _answer(endpoint: Endpoint, status: int, about: str, schemas: dict[str, Any]) -> dict[str, Any]:
    if status >= 400:
        problem = {"schema": _ref("Problem")}
        return {"description": about, "content": {"application/problem+json": problem}}
    if endpoint.returns is None:
        return {"description": about}
    schema = _schema(endpoint.returns, schemas)
    return {"description": about, "content": {"application/json": {"schema": schema}}}


_PROBLEM = {
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["title", "status"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do."},
        "mistakes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_PATTERNS = {"blog": BLOG_ID.pattern, "entry": ENTRY_ID.pattern}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1].split(":")[0] for part in endpoint.path.split("/") if part[:1] == "{"]
    path = [{"name": n, "in": "path", "required": True, "schema": _text(n)} for n in names]
    more = [
        {"name": name, "in": place, "description": about, "schema": {"type": "string"}}
        for place, told in (("query", endpoint.query), ("header", endpoint.headers))
        for name, about in told.items()
    ]
    return path + more


def _text(name: str) -> dict[str, str]:
    pattern = _PATTERNS.get(name)
    return {"type": "string", **({"pattern": f"^{pattern}$"} if pattern else {})}


def _content(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    if endpoint.body is None:
        return {kind: {"schema": _document(kind)} for kind in endpoint.takes}
    schema = _schema(endpoint.body, schemas)
    if endpoint.many:
        schema = {"oneOf": [schema, {"type": "array", "items": schema}]}
    return {"application/json": {"schema": schema}}


def _document(kind: str) -> dict[str, Any]:
    if kind.endswith("json"):
        return {"description": "Any JSON."}
    return {"type": "string", **({"minLength": 1} if kind.startswith("text/") else {})}


def _schema(kind: type[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the schema of *kind*, which is put into *schemas* with all that it needs."""
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return _ref(kind.__name__)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
