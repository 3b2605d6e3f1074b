"""What the documents state is so."""

import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from slugline.settings import SECRETS, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("seeds/*.md")]
)


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
    bases = [ROOT, *ROOT.glob("services/*"), *ROOT.glob("services/*/*"), ROOT / "shared"]
    bases += [*ROOT.glob("services/*/*/*"), ROOT / "shared/slugline"]

    lost = [name for name in named if not any(list(base.glob(name)) for base in bases)]
    assert [
        name for name in lost if not name.startswith(("application/", "text/", "tests/data/ticker"))
    ] == []


def test_the_readmes_two_commands_are_those_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()

    assert ".venv/bin/slugline run --demo\n.venv/bin/pytest\n" in readme
    assert 'pip install -e ".[dev]"' in readme
    assert 'pip install -e ".[dev]"' in makefile
