"""Request bodies: bytes, JSON, and models checked at the edge."""

import asyncio
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from slugline.decoding import (
    ACCEPTED,
    DamagedCodingError,
    Decoder,
    TooLargeError,
    UnknownCodingError,
    decoder,
)
from slugline.errors import InvalidInputError, Mistake
from slugline.web.bounds import BOUNDS
from slugline.web.problems import MAX_BODY, Problem, too_large

Model = TypeVar("Model", bound=BaseModel)

#: An object with more fields than this is not looked into: each unknown one would be a mistake.
FIELDS = 100


class Body(BaseModel):
    """A JSON body: unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


async def read_bytes(request: web.Request) -> bytes:
    """The body of *request*, unpacked.

    Raises Problem 413 where it is over the limit, sent whole or in chunks, packed or not; 408 where
    it comes too slowly, 415 where it is packed in an unknown way, 400 where it is damaged.
    """
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()
    try:
        unpack = decoder(request.headers.get("Content-Encoding", ""), MAX_BODY)
        async with asyncio.timeout(request.app[BOUNDS].body):
            return await _unpacked(request, unpack)
    except TooLargeError as error:
        raise too_large() from error
    except UnknownCodingError as error:
        headers = {"Accept-Encoding": ACCEPTED}
        raise Problem(415, "Unknown content coding", f"{error}.", headers=headers) from error
    except (DamagedCodingError, web.RequestPayloadError) as error:
        raise Problem(400, "Damaged body", "Send all of it, packed as its headers say.") from error
    except TimeoutError as error:
        detail = f"A body has {request.app[BOUNDS].body:g} s to come; send less, or in parts."
        raise Problem(408, "Too slow", detail, headers={"Connection": "close"}) from error


async def _unpacked(request: web.Request, unpack: Decoder) -> bytes:
    data = bytearray()  # one, however many pieces come
    async for piece in request.content.iter_any():
        data += unpack.add(piece)
    data += unpack.end()
    return bytes(data)


async def read_json(request: web.Request) -> Any:
    """The JSON that *request* carries.

    Raises Problem 400 for what is no JSON in UTF-8, 415 for another content type.
    """
    if request.content_type not in ("application/json", "application/octet-stream"):
        detail = f"Send application/json, not {request.content_type}."
        raise Problem(415, "Unknown kind of body", detail)
    data = await read_bytes(request)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Malformed JSON", f"{_place(data, error)}: {error.msg}.") from error


def _place(data: bytes, error: orjson.JSONDecodeError) -> str:
    if not data.strip():
        return "The body is empty"
    return f"Line {error.lineno}, column {error.colno}"


def check(model: type[Model], value: Any, at: str = "") -> Model:
    """*value* as a *model*. Raises InvalidInputError with every mistake, named from *at* on."""
    if isinstance(value, dict) and len(value) > FIELDS:
        raise InvalidInputError(Mistake(at, f"{len(value):,} fields; none of ours has so many"))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidInputError(*mistakes_of(error, at)) from error


def mistakes_of(error: ValidationError, at: str = "") -> list[Mistake]:
    """What pydantic found, as our mistakes: `[3].published: …`."""
    return [
        Mistake(_field(at, item["loc"]), _message(item["type"], item["msg"]))
        for item in error.errors(include_url=False, include_input=False)
    ]


def _field(at: str, path: tuple[int | str, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return f"{at}{''.join(steps)}".lstrip(".")


_MESSAGES = {
    "extra_forbidden": "there is no such field; leave it out",
    "model_type": "give a JSON object",
    "string_type": "give a text in quotes",
    "list_type": "give a list in brackets",
    "bool_type": "give true or false",
    "missing": "this field is needed",
}


def _message(kind: str, text: str) -> str:
    return _MESSAGES.get(kind) or text.removeprefix("Value error, ")
