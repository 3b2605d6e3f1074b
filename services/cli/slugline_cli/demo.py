"""The demo: sample blogs that go on while you watch, and a receiver that shows what it is sent."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import click
import orjson
from rich.console import Console

from slugline.clock import Clock
from slugline.settings import Settings
from slugline.web.server import serving
from slugline_cli.listen import line
from slugline_cli.receiver import Received, Receiver
from slugline_cli.seeds import SeedBlog, Step, seed_blogs, seeds_folder

#: Seconds between two steps of the sample blogs.
PACE = 4.0
#: By this a later demo on the same data folder knows the subscription of an earlier one.
DESCRIPTION = "The demo's own receiver"

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def demo_settings(settings: Settings) -> Settings:
    """*settings* that let webhooks reach this machine."""
    return replace(settings, egress_allow=(*settings.egress_allow, *LOOPBACK))


class Demo:
    """Uses the services as anybody would: over HTTP."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._console = Console(highlight=False)

    async def run(self) -> None:
        """Load the sample blogs, subscribe, and keep adding, until cancelled."""
        blogs = seed_blogs(seeds_folder())
        receiver = Receiver(None, self._clock, self._show)
        headers = {"Authorization": f"Bearer {self._settings.admin_token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            serving(receiver.app(), "127.0.0.1", 0) as port,
        ):
            # First of all: so the receiver knows its secret before anything is sent to it.
            receiver.secret = await self._subscribe(session, f"http://127.0.0.1:{port}/")
            click.echo("\nThe webhooks that the demo's own receiver gets and verifies:")
            for blog in blogs:
                for step in blog.beginning:
                    await self._do(session, blog, step)
            click.echo(f"\nOpen {self._settings.base_url}/ in a browser. The sample blogs go on:")
            await self._go_on(session, blogs)

    async def _go_on(self, session: aiohttp.ClientSession, blogs: list[SeedBlog]) -> None:
        while True:
            for blog in blogs:
                step = next(blog.going_on, None)
                if step is not None:
                    await self._clock.sleep(PACE)
                    await self._do(session, blog, step)

    async def _subscribe(self, session: aiohttp.ClientSession, url: str) -> str:
        """The secret of a new subscription to everything; those of earlier demos are ended."""
        base = f"http://{self._settings.host}:{self._settings.syndicate_port}/v1/subscriptions"
        async with session.get(f"{base}?limit=500") as answer:
            known = orjson.loads(await answer.read())["items"]
        for each in known:
            if each["description"] == DESCRIPTION:
                await session.delete(f"{base}/{each['id']}", headers={"If-Match": "*"})
        wanted: dict[str, Any] = {"url": url, "blogs": ["*"], "description": DESCRIPTION}
        async with session.post(base, json=wanted) as answer:
            secret: str = orjson.loads(await answer.read())["secret"]
            return secret

    async def _do(self, session: aiohttp.ClientSession, blog: SeedBlog, step: Step) -> None:
        base = f"http://{self._settings.host}:{self._settings.ingest_port}/v1/blogs/{blog.id}"
        headers = {"Content-Type": f"{step.content_type}; charset=utf-8"}
        async with session.request(
            step.method, f"{base}{step.path}", data=step.body, headers=headers
        ) as answer:
            if answer.status >= 400:
                click.echo(f"{blog.id}: {step.method} {step.path}: {await answer.text()}", err=True)

    def _show(self, received: Received) -> None:
        self._console.print(line(received), soft_wrap=True)
