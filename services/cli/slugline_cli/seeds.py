"""The sample blogs of `seeds/`, as the demo replays them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from slugline.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Step:
    """One request to ingest: *path* below `/v1/blogs/{blog}`, and what is sent there."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class SeedBlog:
    """A sample blog: how it begins, and how it goes on."""

    id: str
    beginning: list[Step]
    going_on: Iterator[Step]


#: How many of the pushed entries a blog begins with.
BEGINNING = 6


def seeds_folder() -> Path:
    """Where the seeds are: in an installed package, else in the checkout."""
    here = Path(__file__).parent
    for folder in (here / "sample_blogs", here.parents[2] / "seeds"):
        if folder.is_dir():
            return folder
    raise SettingsError("the sample blogs were not installed: run the demo from a checkout")


def seed_blogs(folder: Path) -> list[SeedBlog]:
    """Every sample blog below *folder*, by id."""
    return [_blog(path.parent) for path in sorted(folder.glob("*/blog.json"))]


def _blog(folder: Path) -> SeedBlog:
    about = Step("PUT", "", (folder / "blog.json").read_bytes())
    pages = [
        Step("POST", "/documents", page.read_bytes(), "text/plain")
        for page in sorted(folder.glob("page-*.txt"))
    ]
    pushed = folder / "entries.jsonl"
    if not pushed.exists():
        return SeedBlog(folder.name, [about, *pages[:1]], iter(pages[1:]))
    steps = _pushed([orjson.loads(line) for line in pushed.read_bytes().splitlines() if line])
    return SeedBlog(folder.name, [about, *(next(steps) for _ in range(BEGINNING))], steps)


def _pushed(lines: list[dict[str, Any]]) -> Iterator[Step]:
    """The steps of *lines*, and then again and again, each round under ids of its own."""
    for number in count(1):
        suffix = "" if number == 1 else f"-{number}"
        for line in lines:
            if "withdraw" in line:
                yield Step("DELETE", f"/entries/{line['withdraw']}{suffix}")
            else:
                entry = {**line["put"], "id": f"{line['put']['id']}{suffix}"}
                yield Step("PUT", f"/entries/{entry['id']}", orjson.dumps(entry))
