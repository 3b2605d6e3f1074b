"""Where positions of a log lie in its copy: exact with the same partitions, safe with others."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from slugline.log.places import Place, Places


@dataclass(frozen=True)
class Log:
    """Which records there are, by partition and offset, and where each was copied to."""

    placed: Mapping[tuple[int, int], Place]
    places: Places
    partitions: int


@st.composite
def copies(draw: st.DrawFn, *, same: bool) -> Log:
    """A compacted source of three partitions, copied in any order that keeps each partition's."""
    source = [sorted(draw(st.sets(st.integers(0, 30), max_size=12))) for _ in range(3)]
    number = 3 if same else draw(st.integers(1, 5))
    places = Places(number, same=same)
    ends = dict.fromkeys(range(number), 1)  # the base record
    placed = {}
    left = [list(offsets) for offsets in source]
    while any(left):
        p = draw(st.sampled_from([p for p, offsets in enumerate(left) if offsets]))
        offset = left[p].pop(0)
        target = p if same else draw(st.integers(0, number - 1))
        at = ends[target] + draw(st.integers(0, 2))  # offsets have gaps
        ends[target] = at + 1
        placed[p, offset] = Place(target, at)
        places.add(p, offset, Place(target, at))
    places.end_at(ends)
    return Log(placed, places, number)


POSITIONS = st.fixed_dictionaries({p: st.integers(0, 32) for p in range(3)})


@given(copies(same=True), POSITIONS)
def test_with_the_same_partitions_a_record_lies_after_a_position_if_it_did_before(
    log: Log, positions: dict[int, int]
) -> None:
    earliest = log.places.earliest(positions)

    assert log.places.latest(positions) == earliest
    assert all(
        (place.offset >= earliest[place.partition]) == (offset >= positions[p])
        for (p, offset), place in log.placed.items()
    )


@given(copies(same=False), POSITIONS)
def test_with_other_partitions_nothing_after_a_position_comes_to_lie_before_it(
    log: Log, positions: dict[int, int]
) -> None:
    earliest, latest = log.places.earliest(positions), log.places.latest(positions)

    for (p, offset), place in log.placed.items():
        if offset >= positions[p]:
            assert place.offset >= earliest[place.partition]
        else:
            assert place.offset < latest[place.partition]
    assert all(earliest[p] <= latest[p] for p in range(log.partitions))


@given(copies(same=False), POSITIONS, POSITIONS)
def test_a_later_position_is_never_earlier_in_the_copy(
    log: Log, one: dict[int, int], other: dict[int, int]
) -> None:
    later = {p: max(one[p], other[p]) for p in one}

    for moved in (log.places.earliest, log.places.latest):
        before, after = moved(one), moved(later)
        assert all(before[p] <= after[p] for p in range(log.partitions))


@given(copies(same=False))
def test_a_copied_record_is_found_where_it_stands(log: Log) -> None:
    for (p, offset), place in log.placed.items():
        assert log.places.at(p, offset) == place
        assert log.places.near(p, offset) == place


def test_a_record_that_was_compacted_away_is_nowhere_and_the_next_one_is_near() -> None:
    places = Places(2, same=True)
    places.add(0, 7, Place(0, 1))
    places.end_at({0: 2, 1: 1})

    assert places.at(0, 4) is None
    assert places.near(0, 4) == Place(0, 1)
    assert places.near(0, 9) == Place(0, 2)


def test_an_end_is_an_end_in_the_copy() -> None:
    places = Places(2, same=True)
    places.add(0, 7, Place(0, 1))
    places.end_at({0: 2, 1: 1})

    assert places.earliest({0: 8, 1: 0}) == {0: 2, 1: 1}
