"""The whole stack by Docker Compose, as ops run it. `SLUGLINE_DOCKER` names another docker command."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import orjson
import pytest

from slugline.log import DEFAULT_PARTITIONS

ROOT = Path(__file__).parents[2]
DOCKER = shlex.split(os.environ.get("SLUGLINE_DOCKER", "docker"))
#: Building takes minutes the first time; nothing is timed, this only ends what hangs, in seconds.
PATIENCE = 900
#: A project of its own, so that nobody's installation is touched.
PROJECT = ["compose", "--project-name", "slugline-smoke", "--profile", "demo"]


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(
        [*DOCKER, *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout


def compose(*words: str) -> str:
    return docker(*PROJECT, *words)


def up(*words: str) -> None:
    compose("up", "--wait", "--quiet-pull", *words)


def has_engine() -> bool:
    try:
        return bool(docker("version", "--format", "{{.Server.Version}}", check=False).strip())
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="module")
def stack() -> Iterator[None]:
    if not has_engine():
        pytest.skip("no Docker engine answers: start one, or name a command in SLUGLINE_DOCKER")
    compose("down", "--volumes")
    up("--build")
    yield
    compose("down", "--volumes")


def get(path: str) -> str:
    with urlopen(f"http://127.0.0.1:8081{path}") as answer:
        text: str = answer.read().decode()
        return text


def put_entry(name: str) -> None:
    token = compose("exec", "-T", "ingest", "slugline", "token").strip()
    url = f"http://127.0.0.1:8080/v1/blogs/smoke/entries/{name}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = orjson.dumps({"title": f"Entry {name}", "published": "2026-11-22T12:00:00Z"})
    with urlopen(Request(url, body, headers, method="PUT")) as answer:
        assert answer.status == 200


def until_received(title: str) -> None:
    """Read the demo's log until its receiver has verified a webhook with *title*."""
    process = subprocess.Popen(
        [*DOCKER, *PROJECT, "logs", "--follow", "--no-log-prefix", "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            assert any("✓" in line and title in line for line in process.stdout), title
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the command may be a script around docker
            process.wait()


def scale() -> None:
    up("--no-recreate", "--scale", "ingest=2", "--scale", "syndicate=3")


def shown_by(replica: str, path: str) -> str:
    """What one *replica* of syndicate answers, asked in its container."""
    script = (
        "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode(), end='')"
    )
    return docker("exec", replica, "python", "-c", script, f"http://127.0.0.1:8081{path}")


def metric(replica: str, name: str) -> float:
    lines = shown_by(replica, "/metrics").splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith((name + " ", name + "{"))
    )


def until_shared_out(number: int) -> list[str]:
    """The replicas of syndicate, once there are *number* and each of them has its share of the work."""
    end = time.monotonic() + PATIENCE
    while True:
        replicas = compose("ps", "--quiet", "syndicate").split()
        shares = [metric(replica, "slugline_owned_partitions") for replica in replicas]
        if len(shares) == number and all(shares) and sum(shares) == DEFAULT_PARTITIONS:
            return replicas
        assert time.monotonic() < end, f"{shares} of {DEFAULT_PARTITIONS}"
        time.sleep(1)


def who_sent(replicas: list[str]) -> str:
    """That of *replicas* which sends to the demo's receiver now."""
    name = "slugline_attempt_seconds_count"
    before = {replica: metric(replica, name) for replica in replicas}
    put_entry("whose")
    until_received("Entry whose")
    (sender,) = [replica for replica in replicas if metric(replica, name) > before[replica]]
    return sender


@pytest.mark.usefixtures("stack")
def test_the_stack_comes_up_scales_and_survives() -> None:
    until_received("blog.updated")  # the demo has subscribed
    put_entry("first")
    until_received("Entry first")
    before = get("/blogs/smoke/feed.atom")
    assert "Entry first" in before

    scale()
    replicas = until_shared_out(3)
    assert {shown_by(replica, "/blogs/smoke/feed.atom") for replica in replicas} == {before}

    docker("kill", "--signal=KILL", who_sent(replicas))
    docker("kill", "--signal=KILL", compose("ps", "--quiet", "ingest").split()[0])
    put_entry("second")
    until_received("Entry second")
    left = until_shared_out(2)
    assert len({shown_by(replica, "/blogs/smoke/feed.atom") for replica in left}) == 1

    scale()  # the dead are replaced
    replicas = until_shared_out(3)
    put_entry("third")
    until_received("Entry third")
    after = get("/blogs/smoke/feed.atom")
    assert "Entry third" in after
    assert {shown_by(replica, "/blogs/smoke/feed.atom") for replica in replicas} == {after}

    compose("down")
    up()
    put_entry("fourth")
    until_received("Entry fourth")
    assert "Entry first" in get("/blogs/smoke/feed.atom")
