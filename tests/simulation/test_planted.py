"""The table of planted faults cannot rot, and what it plants is what is run."""

import ast
from pathlib import Path

import pytest

from tests.simulation.planted import NotTheCopyError, Outcome, look_for, outcomes, plant
from tests.simulation.planting import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_fault_has_one_place_and_is_python(mutation: Mutation) -> None:
    source = (ROOT / mutation.file).read_text(encoding="utf-8")

    faulty = mutation.applied_to(source)

    assert ast.dump(ast.parse(faulty)) != ast.dump(ast.parse(source))


def test_no_two_planted_faults_have_one_name() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_a_fault_without_a_place_is_told() -> None:
    mutation = Mutation("nowhere", "shared/slugline/topics.py", "no such text", "", 1)

    with pytest.raises(ValueError, match="its text stands 0 times"):
        mutation.applied_to("some source")


def test_a_planted_fault_is_found() -> None:
    (mutation,) = (m for m in MUTATIONS if m.name == "a signature leaves out the last byte")

    outcome = look_for(mutation)

    assert outcome.seed == 0
    assert "a signature that is none" in outcome.said


def test_a_change_that_changes_nothing_is_not_found() -> None:
    harmless = Mutation(
        "harmless",
        "shared/slugline/topics.py",
        "SEQUENCE_LIMIT = 2**53",
        "SEQUENCE_LIMIT = 1 << 53",
        1,
    )

    assert not look_for(harmless).found


def test_a_copy_that_would_not_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.simulation.planted.IMPORTED_FROM", ("tests",))

    with pytest.raises(NotTheCopyError):
        plant(MUTATIONS[0], tmp_path)


def test_outcomes_come_in_the_order_of_the_table() -> None:
    found = outcomes(MUTATIONS[:5], 2, lambda mutation: Outcome(mutation, 0, "", 0.0))

    assert [outcome.mutation for outcome in found] == list(MUTATIONS[:5])
