"""Plant one fault after another in a copy of the source, and see that the simulation finds each.

`python -m tests.simulation.planted --help`
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.simulation.planting import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
#: What stands in front of everything that is installed, in a copy.
IMPORTED_FROM = ("", "shared", "services/cli", "services/ingest", "services/syndicate")
#: What a copy is made of.
COPIED = ("shared", "services", "tests")
#: A world that a fault keeps from ending is found out after this, in seconds.
PATIENCE = 600.0
#: Seeds for a fault that no seed is known to find.
UNSEEN = 100

_WHERE = "import slugline, slugline_ingest, slugline_syndicate as s; print(slugline.__file__, slugline_ingest.__file__, s.__file__)"
_SEED = re.compile(r"seed (\d+): (.*)")


class NotTheCopyError(Exception):
    """Python would import something else than what the fault was planted in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planted fault. *seed* is None where none of its seeds found it."""

    mutation: Mutation
    seed: int | None
    said: str
    seconds: float

    @property
    def found(self) -> bool:
        """Whether it was found."""
        return self.seed is not None


def plant(mutation: Mutation, folder: Path) -> None:
    """Copy the source to *folder*, with *mutation* in it. Raises ValueError, NotTheCopyError."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("data"))
    place = folder / mutation.file
    place.write_text(mutation.applied_to(place.read_text(encoding="utf-8")), encoding="utf-8")
    said = _python(folder, "-c", _WHERE).stdout.split()
    if not said or any(not path.startswith(f"{folder}{os.sep}") for path in said):
        raise NotTheCopyError(f"imported from {said}, not from {folder}")


def search(mutation: Mutation, folder: Path) -> Outcome:
    """Run seeds in *folder*, where *mutation* is planted, until one finds it or there are no more."""
    started = time.monotonic()
    seeds = ("0", str(mutation.within or UNSEEN), "--until-failure", "--workers", "1")
    try:
        ended = _python(folder, "-m", "tests.simulation", *seeds)
    except subprocess.TimeoutExpired:
        return Outcome(mutation, None, f"no end within {PATIENCE:g} s", PATIENCE)
    found = _SEED.search(ended.stdout)
    seconds = time.monotonic() - started
    if found:
        return Outcome(mutation, int(found[1]), found[2], seconds)
    said = ended.stdout or ended.stderr
    return Outcome(mutation, None, said.strip().rpartition("\n")[2], seconds)


def look_for(mutation: Mutation) -> Outcome:
    """Plant *mutation* in a folder of its own, and search."""
    with TemporaryDirectory(prefix="slugline-planted-") as folder:
        plant(mutation, Path(folder))
        return search(mutation, Path(folder))


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder / name) for name in IMPORTED_FROM)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def outcomes(
    mutations: Sequence[Mutation], workers: int, look: Callable[[Mutation], Outcome] = look_for
) -> Iterator[Outcome]:
    """What became of each, in the order of the table; *workers* of them at once."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(look, mutations)


@click.command(help=__doc__)
@click.option("--only", metavar="NAME", help="Only faults whose name contains this.")
@click.option("--unseen", is_flag=True, help="Those that no seed is known to find, instead.")
@click.option("--workers", type=int, default=0, help="Faults at once; 0: one for each core.")
def main(only: str | None, unseen: bool, workers: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    named = [m for m in MUTATIONS if only and only in m.name]
    mutations = named if only else [m for m in MUTATIONS if unseen == (m.within is None)]
    if not mutations:
        raise click.UsageError(f"no planted fault is called {only!r}; the names are in planting.py")
    found = _watched(console, mutations, min(workers or os.cpu_count() or 1, len(mutations)))
    console.print(_table(found))
    missed = [outcome for outcome in found if not outcome.found]
    for outcome in missed:
        console.print(f"not found: {outcome.mutation.name}: {outcome.said}", markup=False)
    console.print(f"{len(found) - len(missed)} found, {len(missed)} not found", markup=False)
    sys.exit(1 if missed else 0)


def _watched(console: Console, mutations: Sequence[Mutation], workers: int) -> list[Outcome]:
    found = []
    columns = (TextColumn("planted faults"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("planted faults", total=len(mutations))
        for outcome in outcomes(mutations, workers):
            bar.advance(task)
            found.append(outcome)
    return found


def _table(found: Sequence[Outcome]) -> Table:
    table = Table("planted fault", "seed", "within", "seconds", "what was said")
    for outcome in found:
        seed = "not found" if outcome.seed is None else str(outcome.seed)
        table.add_row(
            outcome.mutation.name,
            seed,
            str(outcome.mutation.within or UNSEEN),
            f"{outcome.seconds:.0f}",
            outcome.said[:60],
        )
    return table


if __name__ == "__main__":
    main()
