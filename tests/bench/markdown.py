"""The table of a run as it stands in docs/performance.md."""

from collections.abc import Iterable

from tests.bench.report import Row, number

_MET = {True: "yes", False: "**no**", None: ""}


def markdown(rows: Iterable[Row]) -> str:
    """*rows* as a table."""
    lines = [
        "| what | measured | baseline | ratio | target | met |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *(_line(row) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = (
        row.name,
        f"{number(row.value)} {row.unit}",
        _or_empty(row.baseline),
        _or_empty(row.ratio),
        "" if row.target is None else f"{'≤' if row.lower else '≥'} {number(row.target)}",
        _MET[row.met],
    )
    return f"| {' | '.join(cells)} |"


def _or_empty(value: float | None) -> str:
    return "" if value is None else number(value)
