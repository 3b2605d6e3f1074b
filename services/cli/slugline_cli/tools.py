"""What the subcommands share that look at an installation and print what they find."""

from dataclasses import replace
from typing import Any

from slugline.settings import Settings
from slugline.telemetry import set_up_logging
from slugline_cli.options import Environ, settings_of


def tool_settings(environ: Environ, **given: Any) -> Settings:
    """`settings_of`, for a command that prints what it finds: its log tells of trouble alone."""
    settings = settings_of(environ, **given)
    set_up_logging(replace(settings, log_level="warning"))
    return settings
