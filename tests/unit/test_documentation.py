"""What the documents state is so."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from slugline.settings import SECRETS, Settings
from slugline.telemetry import Metrics

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("seeds/*.md")]
)


OPERATIONS = (ROOT / "docs/operations.md").read_text()


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_environment_lists_every_setting() -> None:
    names = [f"SLUGLINE_{field.name.upper()}" for field in fields(Settings)]

    assert list(example()) == names


def test_the_example_environment_states_the_defaults() -> None:
    assert Settings.from_env(example()) == Settings.from_env({})


def test_the_example_environment_explains_each_setting() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    unexplained = [line for above, line in pairwise(lines) if "=" in line and above[:1] != "#"]
    assert unexplained == []


def test_secrets_are_not_printed() -> None:
    settings = Settings.from_env({f"SLUGLINE_{n.upper()}": "very-secret" for n in SECRETS})

    assert "very-secret" not in str(settings)
    assert [settings.shown()[name] for name in SECRETS] == ["set"] * len(SECRETS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    files = [link for link in links if "://" not in link and not link.startswith("mailto:")]

    assert [link for link in files if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_documents_name_exist(document: Path) -> None:
    """Every `path/with/a/slash.py` (or folder/) in back-quotes, from the root or from a package."""
    named = re.findall(r"`([a-z_.]+(?:/[a-z_0-9.*-]+)+/?)`", document.read_text())
    bases = [
        ROOT,
        ROOT / "tests",
        *ROOT.glob("services/*"),
        *ROOT.glob("services/*/*"),
        ROOT / "shared",
    ]
    bases += [*ROOT.glob("services/*/*/*"), ROOT / "shared/slugline"]

    lost = [name for name in named if not any(list(base.glob(name)) for base in bases)]
    assert [
        name for name in lost if not name.startswith(("application/", "text/", "tests/data/ticker"))
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_into_a_document_lead_to_a_heading(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", document.read_text())

    lost = [
        (name, anchor)
        for name, anchor in links
        if anchor not in anchors(document.parent / name if name else document)
    ]
    assert lost == []


def anchors(document: Path) -> set[str]:
    """What each heading is called in a link, as GitHub has it."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_test_that_a_guarantee_names_exists_where_it_says() -> None:
    rows = re.findall(
        r"^\| (`test_.*?) \| .*?`?((?:[a-z0-9]+/test_[a-z_]+\.py)|simulation)",
        (ROOT / "docs/guarantees.md").read_text(),
        re.MULTILINE,
    )
    named = [
        (name, place) for names, place in rows for name in re.findall(r"`(test_[a-z0-9_]+)`", names)
    ]

    lost = [
        name
        for name, place in named
        if f"def {name}("
        not in (
            ROOT / "tests" / (place if "/" in place else "simulation/test_simulation.py")
        ).read_text()
    ]
    assert len(named) > 30
    assert lost == []


def test_the_readmes_two_commands_are_those_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()

    assert ".venv/bin/slugline run --demo\n.venv/bin/pytest\n" in readme
    assert 'pip install -e ".[dev]"' in readme
    assert 'pip install -e ".[dev]"' in makefile


def test_the_commands_at_the_head_of_the_compose_file_are_those_of_the_documents() -> None:
    head = (ROOT / "docker-compose.yml").read_text().split("name:")[0]
    commands = re.findall(r"docker compose (?:[\w=-]+ )*[\w=-]+", head)

    assert len(commands) == 4
    for document in ("README.md", "docs/operations.md"):
        text = (ROOT / document).read_text()
        assert [command for command in commands if command not in text] == []


def test_operations_explains_every_metric_and_no_other() -> None:
    explained = re.findall(
        r"^\| `(slugline_[a-z_]+)(?:\{[a-z,]+\})?` \| \S", OPERATIONS, re.MULTILINE
    )

    metrics = Metrics()
    metrics.follow(ready=lambda: True, reachable=lambda: True, undecodable=lambda: 0)
    exposed = [
        f"{metric.name}{'_total' if metric.type == 'counter' else ''}"
        for metric in metrics.registry.collect()
    ]
    assert sorted(explained) == sorted(exposed)


def test_operations_explains_every_log_event_and_its_level_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| ([a-z]+) \| \S", OPERATIONS, re.MULTILINE)

    code = [path for part in ("services", "shared") for path in (ROOT / part).rglob("*.py")]
    logged = {event for path in code for event in events_logged(path)}
    assert sorted(rows) == sorted(logged)


LEVELS = {name: name for name in ("debug", "info", "warning", "error")} | {"exception": "error"}


def events_logged(module: Path) -> Iterator[tuple[str, str]]:
    """Each event that *module* logs, and its level."""
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=call), args=[ast.Constant(value=str(event)), *_]
            ) if call in LEVELS and re.fullmatch(r"[a-z]+\.[a-z_]+", event):
                yield event, LEVELS[call]
