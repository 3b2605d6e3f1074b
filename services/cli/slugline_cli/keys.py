"""The secrets of an installation in its data folder: the admin's token and the key that seals."""

import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from slugline.errors import SettingsError
from slugline.settings import Settings
from slugline_syndicate.deliveries.sealing import new_key

TOKEN_FILE = "admin-token"  # noqa: S105 - a file's name
KEY_FILE = "secret-key"


def new_token() -> str:
    """A new token for the admin."""
    return f"sla_{secrets.token_urlsafe(32)}"


def with_secrets(settings: Settings) -> Settings:
    """*settings* with the admin's token and the secret key from the data folder, where unset.

    Made there at the first start, readable by the owner alone.
    """
    folder = settings.data_dir
    token = settings.admin_token or kept_secret(folder / TOKEN_FILE, new_token)
    key = settings.secret_key or kept_secret(folder / KEY_FILE, new_key)
    return replace(settings, admin_token=token, secret_key=key)


def make_secrets(folder: Path) -> None:
    """Make the admin's token and the secret key in *folder*, where absent."""
    kept_secret(folder / TOKEN_FILE, new_token)
    kept_secret(folder / KEY_FILE, new_key)


def require_secrets(settings: Settings) -> None:
    """Raise SettingsError unless the secrets are set: replicas must share them."""
    missing = [name for name in ("admin_token", "secret_key") if not getattr(settings, name)]
    if missing:
        raise SettingsError(
            "\n".join(
                f"SLUGLINE_{name.upper()}: set it, or SLUGLINE_{name.upper()}_FILE, to what all replicas"
                " share; 'slugline topics ensure --secrets FOLDER' makes one"
                for name in missing
            )
        )


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in *path*; made where there is none. Raises SettingsError for an empty file."""
    if not path.exists():
        _write_new(path, make())
    secret = path.read_text().strip()
    if not secret:
        raise SettingsError(f"{path} is empty: restore it from a backup, or delete it to make anew")
    return secret


def _write_new(path: Path, secret: str) -> None:
    """Write the file whole or not at all; one that somebody else made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)
