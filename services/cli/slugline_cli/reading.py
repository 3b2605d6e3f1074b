"""Reading a log from outside the process that writes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slugline.clock import Clock
from slugline.errors import SettingsError
from slugline.log import Log
from slugline.log.sqlite import open_log
from slugline.settings import Settings


def require_log(settings: Settings) -> None:
    """Raise SettingsError unless there is a log where *settings* say."""
    if not settings.log_path.exists():
        raise SettingsError(
            f"there is no log at {settings.log_path}: start 'slugline run' once, or name its folder with --data"
        )


@asynccontextmanager
async def log_to_read(settings: Settings, clock: Clock) -> AsyncIterator[Log]:
    """The log that *settings* name, for reading; also while a service writes to it."""
    require_log(settings)
    async with open_log(settings.log_path, clock, read_only=True) as log:
        yield log
