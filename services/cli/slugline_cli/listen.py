"""`slugline listen`: receives webhooks, verifies them, prints them."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

import click
import orjson
from rich.console import Console
from rich.text import Text

from slugline.clock import SystemClock
from slugline.web.server import serving
from slugline_cli.options import Environ
from slugline_cli.process import run_until_stopped
from slugline_cli.receiver import Received, Receiver, check_secret
from slugline_cli.tools import tool_settings


@click.command()
@click.option("--secret", help="The subscription's whsec_…; without it nothing is verified.")
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.pass_obj
def listen(environ: Environ, secret: str | None, port: int, host: str) -> None:
    """Receive webhooks on any path, verify them, print them.

    Lines for people on a terminal, a JSON object a line elsewhere.
    """
    tool_settings(environ)
    receiver = Receiver(
        check_secret(secret) if secret else None, SystemClock(), printer(Console(highlight=False))
    )

    async def main(stop: asyncio.Event) -> None:
        async with serving(receiver.app(), host, port) as bound:
            verified = "verified" if secret else "not verified: no --secret was given"
            click.echo(f"Listening on http://{host}:{bound}/ ({verified})", err=True)
            await stop.wait()

    run_until_stopped(main)


def printer(console: Console) -> Callable[[Received], None]:
    """What tells people, or programs where *console* is no terminal, of each webhook."""

    def tell(received: Received) -> None:
        if console.is_terminal:
            console.print(line(received), soft_wrap=True)
        else:
            click.echo(orjson.dumps(asdict(received)))

    return tell


def line(received: Received) -> Text:
    """One webhook in one line."""
    text = Text("✗ " if received.fault else "✓ ", style="red" if received.fault else "green")
    text.append(f"{received.type:<14} ", style="bold")
    text.append(f"{received.blog} ", style="cyan")
    text.append(" ".join(received.title.split())[:100], style="default")
    remarks = [
        received.fault,
        "came before" if received.again else "",
        "something of this blog was missed before it" if received.missed else "",
    ]
    said = "; ".join(remark for remark in remarks if remark)
    return text.append(f" ({said})", style="yellow") if said else text
