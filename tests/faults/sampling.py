"""What an installation holds on to while it runs: memory, open files, and bytes on the disk."""

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1024 * 1024


@dataclass
class Series:
    """Values over the run: seconds from its start, and what was measured then."""

    points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        self.points.append((round(at, 1), round(value, 3)))

    def typical(self, start: float, end: float) -> float | None:
        """The median of what was measured between two moments; None: nothing was."""
        values = [value for at, value in self.points if start <= at < end]
        return median(values) if values else None


@dataclass
class Samples:
    """All series, by what they measure and of what: `memory`, `files`, `views`, `topics`."""

    memory: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))
    files: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))
    views: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))
    topics: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))

    def look_at_process(self, at: float, name: str, pid: int) -> None:
        """Its memory in MB, and how many files and sockets it has open; nothing where it has ended."""
        try:
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
            opened = len(os.listdir(f"/proc/{pid}/fd"))
        except (OSError, IndexError):
            return
        if resident:
            self.memory[name].add(at, resident / MEGABYTE)
            self.files[name].add(at, opened)

    def look_at_view(self, at: float, name: str, folder: Path) -> None:
        """The size of a replica's view with what is not yet merged into it, in MB."""
        self.views[name].add(at, _size(folder.glob("view-*.db*")) / MEGABYTE)

    def look_at_topics(self, at: float, folder: Path, prefix: str) -> None:
        """The size of each topic in a broker's data *folder*, in MB."""
        sizes: dict[str, float] = defaultdict(float)
        for partition in folder.glob(f"{prefix}*"):
            name = partition.name.removeprefix(prefix).rpartition("-")[0]
            sizes[name] += _size(partition.glob("*.log")) / MEGABYTE
        for name, size in sizes.items():
            self.topics[name].add(at, size)


def _size(files: Iterable[Path]) -> int:
    """Bytes of *files*; those that go meanwhile count nothing."""
    total = 0
    for file in files:
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total


def together(kind: dict[str, Series]) -> dict[str, Series]:
    """One series for all replicas of a service: what one of them lacks, another has taken over."""
    totals: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for name, series in kind.items():
        for at, value in series.points:
            totals[name.partition("-")[0]][at] += value
    return {name: Series(sorted(points.items())) for name, points in totals.items()}


def growth(series: Series, end: float) -> float | None:
    """How much more there is in the last fifth of a run than before its middle: 0.1 is a tenth.

    The first third is warm-up. None: too short a life to tell.
    """
    before = series.typical(end / 3, end / 2)
    after = series.typical(end * 4 / 5, end + 1)
    return after / before - 1 if before and after else None
