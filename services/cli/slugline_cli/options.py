"""What several subcommands take: the settings from the environment, and options over them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from slugline.settings import Settings

Environ = Mapping[str, str]

data_option: Callable[[Any], Any] = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data folder; SLUGLINE_DATA_DIR, else ./slugline-data.",
)


def settings_of(environ: Environ, **given: Any) -> Settings:
    """The settings in *environ*, with the options that were *given* in their place."""
    said = {name: value for name, value in given.items() if value is not None}
    return replace(Settings.from_env(environ), **said)
