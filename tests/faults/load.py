"""Load: writers who post, correct and withdraw entries over HTTP, and repeat what was not accepted."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from slugline.clock import Clock
from slugline.entry import Entry
from slugline.events import EventType
from tests.simulation.checker import Accepted

#: How long an answer is waited for, and how long until a request is repeated, in seconds.
ANSWER, AGAIN = 25.0, 0.2


@dataclass(frozen=True)
class Write:
    """A write that was answered 200: an entry's text, or None for its withdrawal."""

    blog: str
    entry: str
    text: str | None
    answer: dict[str, Any]


class Load:
    """One writer for each of *blogs*; what each of them writes is decided by *rng* alone.

    *ingests* names the addresses of ingest, one of which gets each request.
    """

    def __init__(
        self,
        blogs: Sequence[str],
        ingests: Callable[[], Sequence[str]],
        token: str,
        rng: Random,
        clock: Clock,
        session: aiohttp.ClientSession,
    ) -> None:
        self._blogs = blogs
        self._ingests = ingests
        self._token = token
        self._rng = rng
        self._clock = clock
        self._session = session
        self._alive: dict[str, list[str]] = {blog: [] for blog in blogs}
        self._stopping = False
        self._revisions = 0
        self.writes: list[Write] = []
        #: Answers that no writer should get, in words.
        self.refused: list[str] = []
        self.repeated = 0

    async def run(self, rate: float) -> None:
        """Write about *rate* times a second, all blogs together, until told to stop."""
        async with asyncio.TaskGroup() as group:
            for blog in self._blogs:
                group.create_task(self._write_on(blog, rate / len(self._blogs)))

    def stop(self) -> None:
        """Let every writer end with the write that it is at."""
        self._stopping = True

    async def _write_on(self, blog: str, rate: float) -> None:
        due = self._clock.monotonic()
        while not self._stopping:
            due += self._rng.expovariate(rate)
            await self._clock.sleep(due - self._clock.monotonic())
            await self.something(blog)

    async def something(self, blog: str) -> None:
        """A new entry, a correction or a withdrawal."""
        alive, dice = self._alive[blog], self._rng.random()
        if alive and dice < 0.15:
            await self.withdraw(blog, alive.pop(self._rng.randrange(len(alive))))
        elif alive and dice < 0.5:
            await self.put(blog, self._rng.choice(alive))
        else:
            await self.put(blog, f"e{self._revisions}")

    async def put(self, blog: str, entry: str) -> None:
        """Write *entry* with a text that no other write has, until it is accepted."""
        self._revisions += 1
        if entry not in self._alive[blog]:
            self._alive[blog].append(entry)
        text = f"What is known at revision {self._revisions}."
        body = {"title": f"Heading {entry}", "body_text": text}
        await self._accepted("PUT", blog, entry, text, body)

    async def withdraw(self, blog: str, entry: str) -> None:
        """Withdraw *entry*, until that is accepted."""
        await self._accepted("DELETE", blog, entry, None, None)

    async def withdraw_all(self) -> None:
        """Withdraw every entry that there is; of use once the writers have ended."""
        for blog, alive in self._alive.items():
            while alive:
                await self.withdraw(blog, alive.pop())

    async def _accepted(
        self, method: str, blog: str, entry: str, text: str | None, body: dict[str, str] | None
    ) -> None:
        while True:
            address = self._rng.choice(self._ingests())
            url = f"{address}/v1/blogs/{blog}/entries/{entry}"
            status, answer = await self._ask(method, url, body)
            if status == 200:
                self.writes.append(Write(blog, entry, text, answer))
                return
            if status not in (0, 503):
                self.refused.append(f"{method} {url} was answered {status}: {answer}")
                return
            self.repeated += 1
            await self._clock.sleep(AGAIN)

    async def _ask(self, method: str, url: str, body: dict[str, str] | None) -> tuple[int, Any]:
        """The status and the answer; 0 where there was none."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with (
                asyncio.timeout(ANSWER),
                self._session.request(method, url, json=body, headers=headers) as answer,
            ):
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError):
            return 0, None

    # --- what became of it ------------------------------------------------------------------------

    def faults(self, events: Sequence[Accepted]) -> Iterator[str]:
        """Everything that was accepted and is not in the log, once, in the order of its writer."""
        yield from self.refused
        said = Counter(_said(accepted) for accepted in events)
        for write in self.writes:
            times = said[write.blog, write.entry, write.text]
            if times != 1:
                yield f"accepted, and {times} times in the log: {write}"
        last = {(w.blog, w.entry): w.text for w in self.writes}
        newest = {(a.blog, a.entry): _said(a)[2] for a in events if a.entry}
        for (blog, entry), text in last.items():
            found = newest.get((blog, entry), "")
            if found not in (text, ""):
                yield f"{blog}/{entry} was last {text!r}, and is {found!r}"


def _said(accepted: Accepted) -> tuple[str, str, str | None]:
    """Blog, entry and text of an event; None for a withdrawal."""
    subject = accepted.event.subject
    if accepted.event.type is EventType.ENTRY_DELETED or not isinstance(subject, Entry):
        return accepted.blog, accepted.entry, None
    return accepted.blog, accepted.entry, subject.body_text
