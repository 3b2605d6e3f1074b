"""The `slugline` command: its subcommands, and how errors become one line and an exit code."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

import click

from slugline.errors import SettingsError, SluglineError
from slugline.web.problems import Problem

#: Exit codes: 0 done, 1 it did not work, 2 it was asked or set up wrongly, 130 stopped by Ctrl-C.
FAILED, WRONG_USE, STOPPED = 1, 2, 130


#: The subcommands: in which module each is, under its own name.
COMMANDS = {
    "run": "run",
    "ingest": "run",
    "syndicate": "run",
    "topics": "topics",
    "log": "log_command",
    "parse": "parse",
    "listen": "listen",
    "demo": "demo",
    "token": "tokens",
    "tail": "tail",
    "lag": "lag",
    "health": "health",
    "view": "views",
}


class Commands(click.Group):
    """Imports a subcommand when it is asked for: `health` and `token` need not wait for the rest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"slugline_cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="slugline")
def cli() -> None:
    """Turns a newsroom's live blog into feeds and signed webhooks.

    Settings are read from SLUGLINE_… variables; .env.example lists them all.
    """


def run_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command with *arguments*; errors go to standard error, one line each."""
    try:
        code = cli.main(list(arguments), "slugline", standalone_mode=False, obj=environ)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return STOPPED
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (SluglineError, Problem) as error:
        return _told(error)
    except BaseExceptionGroup as group:
        ours = next(_expected(group), None)
        if ours is None:
            raise
        return _told(ours)
    return code if isinstance(code, int) else 0


def _told(error: SluglineError | Problem) -> int:
    lines = error.body["detail"] if isinstance(error, Problem) else str(error)
    for line in lines.splitlines():
        click.echo(f"slugline: {line}", err=True)
    return WRONG_USE if isinstance(error, SettingsError) else FAILED


def _expected(group: BaseExceptionGroup[BaseException]) -> Iterator[SluglineError]:
    """What was raised on purpose among what the workers of a task group raised."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _expected(error)
        elif isinstance(error, SluglineError):
            yield error
