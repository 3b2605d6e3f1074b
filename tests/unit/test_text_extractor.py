"""Dumps of live pages and what a reader finds in each; the answers stand beside the dumps."""

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from slugline.clock import rfc3339
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.snapshot import Snapshot, SnapshotEntry

DUMPS = Path(__file__).parents[1] / "data" / "dumps"
NAMES = sorted(path.stem for path in DUMPS.glob("*.txt"))
STRAIGHT = str.maketrans("‘’‚“”„", "'''\"\"\"")
SAMPLES = os.environ.get("SLUGLINE_SAMPLES", "")


def read(text: str, answer: Mapping[str, Any]) -> Snapshot:
    received = datetime.fromisoformat(answer.get("received", "2026-11-22T18:30:00Z"))
    zone = answer.get("timezone", "UTC")
    return FlatTextExtractor().extract(Document(text=text, received=received, timezone=zone))


def dump(name: str) -> tuple[str, dict[str, Any]]:
    answer = json.loads((DUMPS / f"{name}.json").read_text("utf-8"))
    return (DUMPS / f"{name}.txt").read_bytes().decode(), answer


def shown(entry: SnapshotEntry, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """*entry* in the form of the answers: what is empty is left out.

    An answer that has `lines` leaves open whether the first of them is the heading.
    """
    body = [paragraph for paragraph in entry.body_text.split("\n\n") if paragraph]
    texts: dict[str, Any] = {"title": entry.title, "body": body}
    if "lines" in wanted:
        texts = {"lines": [entry.title, *body] if entry.title else body}
    optional = {
        "authors": list(entry.authors),
        "related": [[card.title, card.summary] for card in entry.related],
        "media": [[medium.caption, medium.credit] for medium in entry.media],
        "published": rfc3339(entry.published) if entry.published else None,
        "inferred": [name for name in entry.inferred if name == "published"],
    }
    return texts | {name: value for name, value in optional.items() if value}


def entries_of(snapshot: Snapshot, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of *snapshot* in the form of those of *answer*."""
    wanted = answer["entries"]
    beyond = len(snapshot.entries) - len(wanted)
    return [
        shown(entry, want)
        for entry, want in zip(snapshot.entries, [*wanted, *[{}] * beyond], strict=False)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_dump_gives_the_entries_that_a_reader_finds(name: str) -> None:
    text, answer = dump(name)
    snapshot = read(text, answer)
    assert entries_of(snapshot, answer) == answer["entries"]
    if "title" in answer:
        assert snapshot.title == answer["title"]
        assert snapshot.description == answer["description"]
        assert snapshot.lead.split("\n\n") == (answer["lead"] or [""])
        assert snapshot.order.value == answer["order"]
    if "confidence" in answer:
        assert {entry.confidence.value for entry in snapshot.entries} == {answer["confidence"]}


VARIANTS: dict[str, Callable[[str], str]] = {
    "Windows line ends": lambda text: re.sub(r"\r?\n", "\r\n", text),
    "no line end at the end": lambda text: text.rstrip("\n"),
    "blanks around each line": lambda text: text.replace("\n", " \u00a0\n\t"),
    "a byte order mark": lambda text: "\ufeff" + text,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_how_lines_end_makes_no_difference(name: str, variant: str) -> None:
    text, answer = dump(name)
    assert read(VARIANTS[variant](text), answer) == read(text, answer)


@pytest.mark.parametrize("name", NAMES)
def test_straight_quotes_give_the_same_entries_as_curly_ones(name: str) -> None:
    text, answer = dump(name)
    straight = json.loads(json.dumps(answer, ensure_ascii=False).translate(_ESCAPED))
    snapshot = read(text.translate(STRAIGHT), answer)
    assert entries_of(snapshot, answer) == straight["entries"]


#: As STRAIGHT, inside JSON.
_ESCAPED = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '\\"', "”": '\\"', "„": '\\"'})


@pytest.mark.parametrize("name", NAMES)
def test_blank_lines_between_all_lines_give_the_same_entries(name: str) -> None:
    text, answer = dump(name)
    if answer.get("wrapped"):
        pytest.skip(
            "its lines were broken at a fixed width: blank lines part what belongs together"
        )
    assert entries_of(read(text.replace("\n", "\n\n"), answer), answer) == answer["entries"]


@pytest.mark.skipif(
    not SAMPLES, reason="SLUGLINE_SAMPLES names no folder of dumps with expected.json"
)
def test_the_samples_outside_the_repository_are_read_as_expected() -> None:
    folder = Path(SAMPLES)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    for path in folder.glob("*.txt"):
        check_sample(path.read_text("utf-8"), expected)


def check_sample(text: str, expected: Mapping[str, Any]) -> None:
    snapshot = read(text, {})
    lead = snapshot.lead.split("\n\n")
    assert (snapshot.title, snapshot.description) == (expected["title"], expected["description"])
    assert len(lead) == expected["lead_paragraphs"]
    assert lead[0].startswith(expected["lead_starts"])
    assert [entry.title for entry in snapshot.entries] == [w["title"] for w in expected["entries"]]
    for entry, want in zip(snapshot.entries, expected["entries"], strict=True):
        check_sample_entry(entry, want)
    everything = "\n".join([snapshot.title, snapshot.description, snapshot.lead])
    everything += "\n".join(str(entry) for entry in snapshot.entries)
    assert not [phrase for phrase in expected["never_anywhere"] if phrase in everything]
    lines = {line for entry in snapshot.entries for line in entry.body_text.split("\n\n")}
    assert not lines & set(expected["never_as_a_whole_line"])


def check_sample_entry(entry: SnapshotEntry, want: Mapping[str, Any]) -> None:
    body = [paragraph for paragraph in entry.body_text.split("\n\n") if paragraph]
    assert len(body) == want["paragraphs"]
    assert [[card.title, card.summary] for card in entry.related] == want["related"]
    assert entry.body_text.startswith(want.get("body_starts", ""))
    assert entry.body_text.endswith(want.get("body_ends", ""))
    if "caption" in want:
        assert want["caption"] in [medium.caption for medium in entry.media]
