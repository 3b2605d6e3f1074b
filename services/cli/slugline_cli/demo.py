"""The demo: sample blogs that go on while you watch, and a receiver that shows what it is sent."""

import asyncio
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import click
import orjson
from rich.console import Console

from slugline.clock import Clock, SystemClock
from slugline.errors import SettingsError, SluglineError
from slugline.settings import Settings
from slugline.web.server import serving
from slugline_cli.listen import line
from slugline_cli.options import Environ
from slugline_cli.process import first_of, run_until_stopped
from slugline_cli.receiver import Received, Receiver
from slugline_cli.seeds import SeedBlog, Step, seed_blogs, seeds_folder
from slugline_cli.tools import tool_settings

#: Seconds between two steps of the sample blogs.
PACE = 4.0
#: By this a later demo on the same log knows the subscription of an earlier one.
DESCRIPTION = "The demo's own receiver"

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class DemoFailedError(SluglineError):
    """The services did not take what the demo asked of them; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the demo finds the services, and where they find its receiver. *page* is for people."""

    ingest: str
    syndicate: str
    page: str
    host: str = "127.0.0.1"
    port: int = 0
    receiver: str = ""


@click.command()
@click.option("--ingest", default="http://localhost:8080", show_default=True)
@click.option("--syndicate", default="http://localhost:8081", show_default=True)
@click.option("--receiver", help="The URL by which syndicate reaches this; else loopback.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The receiver's; 0: a free one."
)
@click.pass_obj
def demo(environ: Environ, ingest: str, syndicate: str, receiver: str | None, port: int) -> None:
    """Load the sample blogs into running services and keep adding; show what a receiver gets.

    The receiver's address must be one that SLUGLINE_EGRESS_ALLOW names.
    """
    settings = tool_settings(environ)
    if not settings.admin_token:
        raise SettingsError("SLUGLINE_ADMIN_TOKEN: set it, or SLUGLINE_ADMIN_TOKEN_FILE")
    addresses = Addresses(
        ingest=ingest,
        syndicate=syndicate,
        page=settings.base_url,
        host="0.0.0.0" if receiver else "127.0.0.1",  # noqa: S104 - another host sends to it
        port=port,
        receiver=receiver or "",
    )

    async def main(stop: asyncio.Event) -> None:
        await first_of(stop.wait(), Demo(addresses, settings.admin_token, SystemClock()).run())

    run_until_stopped(main)


def demo_settings(settings: Settings) -> Settings:
    """*settings* that let webhooks reach this machine."""
    return replace(settings, egress_allow=(*settings.egress_allow, *LOOPBACK))


class Demo:
    """Uses the services as anybody would: over HTTP."""

    def __init__(self, addresses: Addresses, token: str, clock: Clock) -> None:
        self._addresses = addresses
        self._token = token
        self._clock = clock
        self._console = Console(highlight=False)

    async def run(self) -> None:
        """Load the sample blogs, subscribe, and keep adding, until cancelled."""
        blogs = seed_blogs(seeds_folder())
        receiver = Receiver(None, self._clock, self._show)
        headers = {"Authorization": f"Bearer {self._token}"}
        at = self._addresses
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            serving(receiver.app(), at.host, at.port) as port,
        ):
            url = at.receiver or f"http://127.0.0.1:{port}/"
            # First of all: so the receiver knows its secret before anything is sent to it.
            receiver.secret = await self._subscribe(session, url)
            click.echo("\nThe webhooks that the demo's own receiver gets and verifies:")
            for blog in blogs:
                for step in blog.beginning:
                    await self._do(session, blog, step)
            click.echo(f"\nOpen {at.page}/ in a browser. The sample blogs go on:")
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
        base = f"{self._addresses.syndicate}/v1/subscriptions"
        known = await self._asked(session, "GET", f"{base}?limit=500")
        for each in known["items"]:
            if each["description"] == DESCRIPTION:
                await session.delete(f"{base}/{each['id']}", headers={"If-Match": "*"})
        wanted: dict[str, Any] = {"url": url, "blogs": ["*"], "description": DESCRIPTION}
        made = await self._asked(session, "POST", base, json=wanted)
        return str(made["secret"])

    async def _asked(
        self, session: aiohttp.ClientSession, method: str, url: str, **more: Any
    ) -> dict[str, Any]:
        try:
            async with session.request(method, url, **more) as answer:
                said: dict[str, Any] = orjson.loads(await answer.read())
        except (aiohttp.ClientError, orjson.JSONDecodeError) as error:
            raise DemoFailedError(f"{url} does not answer as syndicate does: {error}") from error
        if answer.status >= 400:
            raise DemoFailedError(f"{url}: {said.get('detail') or said.get('title')}")
        return said

    async def _do(self, session: aiohttp.ClientSession, blog: SeedBlog, step: Step) -> None:
        """Do one step; one that is not taken is told, and the blogs go on."""
        url = f"{self._addresses.ingest}/v1/blogs/{blog.id}{step.path}"
        headers = {"Content-Type": f"{step.content_type}; charset=utf-8"}
        try:
            async with session.request(step.method, url, data=step.body, headers=headers) as answer:
                if answer.status >= 400:
                    click.echo(f"{step.method} {url}: {await answer.text()}", err=True)
        except aiohttp.ClientError as error:
            click.echo(f"{step.method} {url}: {error}", err=True)

    def _show(self, received: Received) -> None:
        self._console.print(line(received), soft_wrap=True)
