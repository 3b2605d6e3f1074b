"""Files as sources: only below one folder, whatever links lead out of it."""

import os
import stat
from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote, urlsplit

from slugline.errors import EgressRefusedError
from slugline_ingest.elsewhere import Elsewhere
from slugline_ingest.fetching import (
    LARGEST,
    Failed,
    Fetch,
    Fetched,
    NotModified,
    Trouble,
    Validators,
)

SCHEME = "file:"


class FileFetcher:
    """Reads files below *folder*; none where it is None."""

    def __init__(self, folder: Path | None, elsewhere: Elsewhere) -> None:
        self._folder = folder
        self._elsewhere = elsewhere

    def check_url(self, url: str) -> Path:
        """The path of *url* below the folder, as it is without links. Raises EgressRefusedError."""
        if self._folder is None:
            raise EgressRefusedError("files are read below SLUGLINE_SOURCE_DIR, which is not set")
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path:
            raise EgressRefusedError("give a file such as file:///srv/live/page.html")
        root = self._folder.resolve()
        path = _resolved(root / unquote(parts.path))
        if path == root or not path.is_relative_to(root):
            raise EgressRefusedError("the file is outside SLUGLINE_SOURCE_DIR; move it there")
        return path.relative_to(root)

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        try:
            path = self.check_url(url)
            folder = self._folder or Path()
            data = await self._elsewhere(lambda: _read(folder.resolve(), path))
        except EgressRefusedError as error:
            return Failed(trouble=Trouble.REFUSED, reason=str(error))
        except FileNotFoundError:
            return Failed(trouble=Trouble.NOT_FOUND, reason="there is no such file")
        except OSError as error:
            return Failed(trouble=Trouble.UNREADABLE, reason=error.strerror or str(error))
        return _judged(data, url, known)


def _judged(data: bytes, url: str, known: Validators | None) -> Fetch:
    if len(data) > LARGEST:
        return Failed(trouble=Trouble.TOO_LARGE, reason=f"over {LARGEST:,} bytes")
    if not data.strip():
        return Failed(trouble=Trouble.BAD_ANSWER, reason="the file is empty")
    etag = blake2b(data, digest_size=16).hexdigest()
    if known and known.address == url and known.etag == etag:
        return NotModified()
    return Fetched(data=data, validators=Validators(address=url, etag=etag))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise EgressRefusedError(f"the path cannot be followed: {error}") from error


def _read(root: Path, path: Path) -> bytes:
    """The file's bytes, one more than allowed at the most. No step follows a link: what was checked is read."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in path.parts:
        descriptor = _step(descriptor, part)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no plain file")
    with open(descriptor, "rb") as file:
        return file.read(LARGEST + 1)


def _step(folder: int, name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
