"""Every benchmark, each beside its baseline: `make bench`, or `python -m tests.bench [NAME...]`.

Each runs in a process of its own. One table is printed. Below `build/bench` the figures go into
`results.json`, the table into `results.md`, and the growth curves into `growth-*.svg`.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.markdown import markdown
from tests.bench.picture import draw
from tests.bench.report import Curve, Report, from_json, table
from tests.bench.spoken import read_lines, read_list

HERE = Path(__file__).parent
OUT = Path("build/bench")
#: What matters most comes first; what is not named here comes after, by name.
ORDER = ("deliveries", "sender", "memory", "feeds", "render", "view", "poll", "extract")
#: The distributions whose versions are told with the figures.
TOLD = ("aiohttp", "feedgen", "orjson", "lxml", "selectolax", "uvloop")
#: How long one benchmark may take, in seconds.
LONGEST = 1800
#: Columns of the table at least: names are long.
WIDTH = 120


def names() -> list[str]:
    """The benchmarks there are."""
    found = {path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")}
    return [*(n for n in ORDER if n in found), *sorted(found - set(ORDER))]


def run(name: str, quick: bool) -> Report:
    """What the benchmark called *name* finds. Raises ClickException where it fails."""
    source = (HERE / f"bench_{name}.py").read_text()
    command = [sys.executable, "-m", f"tests.bench.bench_{name}"]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        command += ["--json", str(file)] if "--json" in source else []
        command += _quickly(source) if quick else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
        if done.returncode:
            raise click.ClickException(f"{name} failed:\n{done.stderr or done.stdout}")
        if not file.exists():
            return read_lines(done.stdout)
        found = orjson.loads(file.read_bytes())
    return from_json(found) if isinstance(found, dict) else read_list(found)


def _quickly(source: str) -> list[str]:
    """The options with which the benchmark of this *source* is over soon."""
    if "--rounds" in source:
        return ["--seconds", "2", "--rounds", "1"]
    return ["--quick"] if "--quick" in source else []


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    try:
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        about = ""
    model = re.search(r"model name\s*: (.*)", about)
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in TOLD},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "load": os.getloadavg()[0],
    }


def _version(name: str) -> str:
    return metadata.version(name)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def pictures(curves: Sequence[Curve]) -> Iterator[tuple[str, str]]:
    """Name and SVG of a picture for each kind of growth."""
    for label in dict.fromkeys(curve.x_label for curve in curves):
        alike = [curve for curve in curves if curve.x_label == label]
        yield f"growth-{label.split()[0]}.svg", draw(alike, f"Growth with {label}")


def save(report: Report, facts: dict[str, Any]) -> None:
    """Write the figures and the pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    text = orjson.dumps({"machine": facts, **report.as_json()}, option=orjson.OPT_INDENT_2)
    (OUT / "results.json").write_bytes(text)
    (OUT / "results.md").write_text(markdown(report.rows))
    for name, picture in pictures(report.curves):
        (OUT / name).write_text(picture)


@click.command(help=__doc__)
@click.argument("wanted", nargs=-1, metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Fewer rounds and sizes: to see that all of it works.")
def main(wanted: tuple[str, ...], quick: bool) -> None:
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        raise click.UsageError(f"no benchmark {unknown[0]!r}: there are {', '.join(names())}")
    chosen = [name for name in names() if not wanted or name in wanted]
    facts, report, console = machine(), Report(), Console()
    console.width = max(console.width, WIDTH)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen))
        for name in chosen:
            progress.update(task, description=name)
            report.add(run(name, quick))
            progress.advance(task)
    save(report, facts)
    cores = f"{facts['cores']} cores of {facts['processor']}, Python {facts['python']}"
    console.print(table(report.rows, cores))
    console.print(f"{OUT}/results.json", *(f"{OUT}/{name}" for name, _ in pictures(report.curves)))


if __name__ == "__main__":
    main()
