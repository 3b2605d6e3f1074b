"""`docs/webhooks.md` and `docs/schemas` say what the code sends."""

import json
import re
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from standardwebhooks import Webhook

from slugline.events import EventType
from slugline_syndicate.deliveries.body import render
from slugline_syndicate.deliveries.signing import signature
from tests.builders import an_entry, an_event
from tests.webhook_samples import DOCUMENT, PUBLIC, block, samples

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SAMPLES = samples()


def closed(schema: Any) -> Any:
    """*schema*, refusing fields that it does not name: so that none goes undocumented."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(item) for name, item in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in inner else inner


def validator(kind: str, *, strict: bool = True) -> Draft202012Validator:
    loaded = {file.name: json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")}
    if strict:
        loaded = {name: closed(schema) for name, schema in loaded.items()}
    resources = [(name, Resource.from_contents(schema)) for name, schema in loaded.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(
        loaded[f"{kind}.json"],
        registry=registry,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def test_every_event_type_has_a_body_and_a_schema() -> None:
    types = {kind.value for kind in EventType}

    assert set(SAMPLES) == types
    assert {file.stem for file in SCHEMAS.glob("*.json")} == types | {"common"}


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("*.json")), ids=lambda file: file.stem)
def test_a_schema_is_one(file: Path) -> None:
    Draft202012Validator.check_schema(json.loads(file.read_text()))


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_the_document_shows_the_body_that_is_sent(kind: str) -> None:
    assert block(kind, SAMPLES[kind]) in DOCUMENT.read_text()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_body_fits_its_schema_which_names_every_field(kind: str) -> None:
    validator(kind).validate(orjson.loads(SAMPLES[kind]))


def test_a_truncated_body_fits_its_schema() -> None:
    event = an_event(an_entry(body_text="a" * 70_000))

    validator("entry.created").validate(orjson.loads(render(event, 7, PUBLIC)))


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_field_that_is_added_later_does_not_break_the_schema(kind: str) -> None:
    body = orjson.loads(SAMPLES[kind])
    body["data"]["later"] = 1

    validator(kind, strict=False).validate(body)


def test_a_schema_refuses_the_body_of_another_event() -> None:
    body = deepcopy(orjson.loads(SAMPLES["entry.deleted"]))
    body["data"]["entry"]["title"] = "the withdrawn heading"

    with pytest.raises(ValidationError):
        validator("entry.deleted").validate(body)
    with pytest.raises(ValidationError):
        validator("entry.created").validate(orjson.loads(SAMPLES["entry.deleted"]))


def test_previous_chains_the_documents_bodies() -> None:
    text = DOCUMENT.read_text()
    shown = [orjson.loads(found) for found in re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)]
    placed = sorted(
        (body["data"] for body in shown if "previous" in body["data"]),
        key=lambda data: data["sequence"],
    )

    assert placed[0]["previous"] is None
    assert len({data["previous"] for data in placed}) == len(placed) == 5


def test_the_signature_vector_holds_by_our_code_and_by_an_independent_one() -> None:
    text = DOCUMENT.read_text().partition("<!-- vector -->")[2]
    lines = text.split("```")[1].strip().splitlines()
    vector = dict(line.split(maxsplit=1) for line in lines)
    body, stamp = vector["body"].encode(), int(vector["timestamp"])

    assert body == SAMPLES["subscription.test"]
    assert signature(vector["secret"], vector["id"], stamp, body) == vector["signature"]
    other = Webhook(vector["secret"])
    assert (
        other.sign(vector["id"], datetime.fromtimestamp(stamp, UTC), body.decode())
        == vector["signature"]
    )


def test_the_documents_links_lead_somewhere() -> None:
    text = DOCUMENT.read_text()
    anchors = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (DOCUMENT.parent / target).exists(), target
