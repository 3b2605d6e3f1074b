"""Secrets are sealed before they reach the log (Fernet; several keys for rotation)."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from slugline.errors import SettingsError, SluglineError


class SealBrokenError(SluglineError):
    """A secret was sealed with a key that is not among ours."""


def new_key() -> str:
    """A new key for SLUGLINE_SECRET_KEY."""
    return Fernet.generate_key().decode()


#: Opened secrets that are kept at hand: opening one costs more than sending an event.
OPENED = 16_384


class Sealer:
    """Seals with the newest of *keys* (comma-separated, newest first), opens with any."""

    def __init__(self, keys: str) -> None:
        try:
            parts = [Fernet(key.strip()) for key in keys.split(",") if key.strip()]
        except ValueError as error:
            raise SettingsError(
                "SLUGLINE_SECRET_KEY: give Fernet keys (32 bytes in URL-safe base64), comma-separated"
            ) from error
        if not parts:
            raise SettingsError("SLUGLINE_SECRET_KEY: give at least one key")
        self._newest = parts[0]
        self._fernet = MultiFernet(parts)
        self._opened = lru_cache(OPENED)(self._open)

    def seal(self, secret: str) -> str:
        """*secret*, unreadable."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The inverse of `seal`. Raises SealBrokenError."""
        return self._opened(sealed)

    def is_newest(self, sealed: str) -> bool:
        """Whether *sealed* was sealed with the newest key."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def _open(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SealBrokenError("sealed with a key that SLUGLINE_SECRET_KEY lacks") from error
