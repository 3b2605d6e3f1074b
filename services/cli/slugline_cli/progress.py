"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from slugline.clock import Clock
from slugline.log import Log
from slugline.view import View
from slugline.view.tail import Tail

#: How often a bar is drawn, in seconds.
STEP = 0.1
#: How often a plain line is written, in seconds.
LINE = 5.0
#: A bar shows itself when the work is not over by then, in seconds.
PATIENCE = 0.5


class Shown:
    """One piece of long work of *total* steps."""

    def __init__(self, what: str, total: int, clock: Clock, bar: Progress | None) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._bar = bar
        self._task = bar.add_task(what, total=total) if bar else None
        self._next = clock.monotonic() + LINE

    def of(self, done: int, total: int) -> None:
        """Show that *done* steps are done of *total*, where that became known later."""
        if self._bar is not None and self._task is not None and total != self._total:
            self._bar.update(self._task, total=total)
        self._total = total
        self.at(done)

    def at(self, done: int) -> None:
        """Show that *done* steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
        elif self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + LINE
            click.echo(f"{self._what}: {done:,} of {self._total:,}", err=True)


@contextmanager
def progress(what: str, total: int, clock: Clock) -> Iterator[Shown]:
    """Show *what* on standard error while the context is open."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Shown(what, total, clock, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Shown(what, total, clock, bar)


async def until_read(log: Log, view: View, tail: Tail, clock: Clock, what: str) -> int:
    """Wait until *tail* has read into *view* all that *log* holds now; how many offsets that were."""
    ends = await log.ends(view.topics)
    begins = await log.begins(view.topics)
    start = {tp: max(view.positions.get(tp, 0), begins.get(tp, 0)) for tp in ends}
    total = sum(ends[tp] - start[tp] for tp in ends)

    def done() -> int:
        return total - sum(max(0, ends[tp] - view.positions.get(tp, start[tp])) for tp in ends)

    since = clock.monotonic()
    while done() < total and clock.monotonic() - since < PATIENCE:
        await clock.sleep(STEP / 10)
    if done() < total:
        with progress(what, total, clock) as shown:
            while done() < total:
                shown.at(done())
                await clock.sleep(STEP)
    await tail.reached(ends)
    return total
