"""Run worlds by their seeds: `python -m tests.simulation --help`.

A seed replays exactly where PYTHONHASHSEED is fixed, so this starts itself anew with it at 0.
"""

import os
import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.running import faults_of, quiet, results, run
from tests.simulation.script import script_of, shape_of, words
from tests.simulation.shrinking import smaller

__all__ = ["quiet", "run"]


@click.command(help=__doc__)
@click.argument("first", type=int, default=0)
@click.argument("count", type=int, default=1)
@click.option("--workers", type=int, default=0, help="Processes; 0: one for each core.")
@click.option("--until-failure", is_flag=True, help="Stop at the first seed that fails.")
@click.option("--shrink", is_flag=True, help="Make the failing seed FIRST as small as can be.")
def main(first: int, count: int, workers: int, until_failure: bool, shrink: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if shrink:
        quiet()
        sys.exit(_shrink(console, first))
    if count > 1:
        quiet()
    sys.exit(_run_all(console, range(first, first + count), workers, until_failure))


def _run_all(console: Console, seeds: range, workers: int, until_failure: bool) -> int:
    workers = min(workers or os.cpu_count() or 1, len(seeds))
    done, failed, started = 0, 0, time.monotonic()
    columns = (TextColumn("worlds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("worlds", total=len(seeds))
        for seed, faults in results(seeds, workers):
            done += 1
            failed += bool(faults)
            bar.advance(task)
            for fault in faults[:20]:
                console.print(f"seed {seed}: {fault}", markup=False)
            if faults and until_failure:
                break
    seconds = time.monotonic() - started
    console.print(f"{done - failed} passed, {failed} failed", markup=False)
    if failed:
        console.print("python -m tests.simulation SEED --shrink makes one smaller", markup=False)
    if console.is_terminal:
        console.print(f"{done / seconds:.1f} worlds a second")
    return 1 if failed else 0


def _shrink(console: Console, seed: int) -> int:
    shape = shape_of(seed)
    script = script_of(seed, shape)
    faults = faults_of(seed, shape, script)
    if not faults:
        console.print(f"seed {seed} keeps every promise: nothing to make smaller")
        return 0
    console.print(f"seed {seed}: {faults[0]}", markup=False)
    with console.status("making it smaller") as status:
        shape, script = smaller(
            shape,
            script,
            lambda a, b: bool(faults_of(seed, a, b)),
            lambda left: status.update(f"{left} happenings left"),
        )
    console.print(f"{shape}\n{words(script)}", markup=False)
    for fault in faults_of(seed, shape, script):
        console.print(f"-> {fault}", markup=False)
    return 1


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    main()
