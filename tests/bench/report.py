"""What every benchmark hands over: rows with a baseline and a target, and curves; and its command."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. *target* is a bound on *ratio* where there is one (*value* to *baseline*, or the
    other way round: what the name says), else on *value*; *lower* says that less is better."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    target: float | None = None
    lower: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None where there is none."""
        judged = self.value if self.ratio is None else self.ratio
        if self.target is None:
            return None
        return judged <= self.target if self.lower else judged >= self.target


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How *y* grows with *x*. Curves of the same *x_label* are drawn in one picture."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    x_label: str
    y_label: str


@dataclass
class Report:
    """All that one benchmark found."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        self.rows += other.rows
        self.curves += other.curves

    def as_json(self) -> dict[str, Any]:
        rows = [{**asdict(row), "met": row.met} for row in self.rows]
        return {"rows": rows, "curves": [asdict(curve) for curve in self.curves]}


def from_json(found: Mapping[str, Any]) -> Report:
    """The inverse of `Report.as_json`; what it does not know is left out."""
    return Report(
        [Row(**_known(Row, row)) for row in found.get("rows", ())],
        [Curve(**_known(Curve, curve)) for curve in found.get("curves", ())],
    )


def _known(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in kind.__annotations__}


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread for *work*."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def table(rows: Iterable[Row], title: str) -> Table:
    """For people."""
    shown = Table(title=title)
    shown.add_column("what", overflow="fold")
    for heading in ("measured", "baseline", "ratio", "target", "met"):
        shown.add_column(heading, justify="right")
    for row in rows:
        sign = "≤" if row.lower else "≥"
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row.met]
        target = "" if row.target is None else f"{sign} {number(row.target)}"
        shown.add_row(
            row.name,
            f"{number(row.value)} {row.unit}",
            "" if row.baseline is None else number(row.baseline),
            "" if row.ratio is None else number(row.ratio),
            target,
            met,
        )
    return shown


def number(value: float) -> str:
    """*value* in three digits or so."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return (
        f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}" if abs(value) < 1 else f"{value:.2f}"
    )


def command(about: str | None, measure: Callable[[bool], Report]) -> click.Command:
    """The command of a benchmark: *measure* is given whether it should be quick."""

    @click.command(help=about)
    @click.option(
        "--json", "file", type=click.Path(path_type=Path), help="Write the figures to FILE."
    )
    @click.option("--quick", is_flag=True, help="Fewer rounds and sizes: to see that it works.")
    def main(file: Path | None, quick: bool) -> None:
        report = measure(quick)
        Console().print(table(report.rows, (about or "").splitlines()[0]))
        if file:
            file.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))

    return main
