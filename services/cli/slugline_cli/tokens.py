"""`slugline token`: prints the admin's token."""

from pathlib import Path

import click

from slugline.errors import SettingsError
from slugline_cli.keys import TOKEN_FILE
from slugline_cli.options import Environ, data_option, settings_of


@click.command()
@data_option
@click.pass_obj
def token(environ: Environ, data: Path | None) -> None:
    """Print the token that may do everything."""
    settings = settings_of(environ, data_dir=data)
    path = settings.data_dir / TOKEN_FILE
    if not settings.admin_token and not path.exists():
        raise SettingsError(
            f"there is no token in {path}: start 'slugline run' once, or name its folder with --data"
        )
    click.echo(settings.admin_token or path.read_text().strip())
