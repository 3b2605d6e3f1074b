"""A real Apache Kafka for the tests: one that you name, one in Docker, or one by Java and Maven.

- `KAFKA_BOOTSTRAP_SERVERS=host:9092` names one that runs; tests that stop or kill it are skipped.
- Where a Docker engine answers, `apache/kafka` runs in it (host network, so Linux only).
- Where Java 17 and Maven are, Kafka's jars come from Maven Central (`pom.xml` beside this file),
  once, into `~/.cache/slugline/`.

Without any of them the tests that need Kafka are skipped, and say so; with `CI=true` they fail.
"""

import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

POM = Path(__file__).with_name("pom.xml")
VERSION = "4.2.1"
IMAGE = f"apache/kafka:{VERSION}"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
USER, PASSWORD = "alice", "alice-secret"

HOW = (
    "no Kafka: set KAFKA_BOOTSTRAP_SERVERS, or start Docker on Linux, or install Java 17 and Maven"
    " (Debian: apt install openjdk-17-jre-headless maven)"
)

#: For tests: little memory, an eager cleaner, and a killed broker that is back after 5 s and not 12.
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "1000",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class Process(Protocol):
    """Where a broker runs."""

    def start(self, settings: Mapping[str, str]) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...
    def wait(self, seconds: float) -> bool: ...


class Broker:
    """One broker of a cluster, on loopback."""

    def __init__(self, process: Process, settings: Mapping[str, str], ports: list[int]) -> None:
        self._process = process
        self._settings = settings
        self._ports = ports

    def start(self) -> None:
        """Start it on the data that it had; returns once it serves."""
        self._process.start(self._settings)

    def serving(self, seconds: float = 60.0) -> None:
        """Wait until it serves: it listens only then."""
        end = time.monotonic() + seconds
        while not all(_listens(port) for port in self._ports):
            if time.monotonic() > end or self._process.wait(0.1):
                raise RuntimeError(f"Kafka did not start on {self._ports}")

    def stop(self) -> None:
        """Stop it cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay, nothing is answered."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        self._process.signal(signal.SIGCONT)  # a frozen one takes no notice of TERM
        self._process.signal(number)
        if not self._process.wait(20):
            self._process.signal(signal.SIGKILL)
            self._process.wait(20)
        while any(_listens(port) for port in self._ports):
            time.sleep(0.05)  # a killed one's port closes a moment after it


class Cluster:
    """Brokers that run. *brokers* is empty where they are somebody else's."""

    def __init__(self, servers: str, brokers: list[Broker] | None = None) -> None:
        self.servers = servers
        self.brokers = brokers or []
        #: The same broker where it wants credentials (PLAIN, SCRAM-SHA-256), TLS, or both.
        self.secured: dict[str, str] = {}

    @property
    def broker(self) -> Broker:
        """The one broker, to be stopped and started; skips the test where it is not ours."""
        if not self.brokers:
            pytest.skip("stops the broker: not done to the one in KAFKA_BOOTSTRAP_SERVERS")
        return self.brokers[0]

    def stop(self) -> None:
        for broker in self.brokers:
            broker.kill()


class JavaProcess:
    """A broker as a process of this machine."""

    def __init__(self, folder: Path, *, scram: bool) -> None:
        self._folder = folder
        self._scram = scram
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, settings: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text(_lines({**settings, "log.dirs": str(self._folder / "data")}))
        log = (self._folder / "kafka.log").open("ab")
        if not (self._folder / "data" / "meta.properties").exists():
            scram = [f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"] if self._scram else []
            options = [option for rule in scram for option in ("--add-scram", rule)]
            format_ = ["format", "-t", CLUSTER, "-c", str(properties), *options]
            subprocess.run(
                [*_java(), "kafka.tools.StorageTool", *format_], check=True, stdout=log, stderr=log
            )
        self._process = subprocess.Popen(
            [*_java(), "kafka.Kafka", str(properties)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the tests is not meant for it
        )
        log.close()

    def signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class DockerProcess:
    """A broker in a container. It keeps its data as long as the container exists."""

    def __init__(self, name: str, *, scram: bool) -> None:
        self._name = name
        self._scram = scram
        self._made = False

    def start(self, settings: Mapping[str, str]) -> None:
        if self._made:
            _docker("start", self._name)
            return
        _docker("rm", "--force", self._name)
        variables = [
            f"KAFKA_{_variable(name)}={value}" for name, value in settings.items() if value
        ]
        options = [option for variable in variables for option in ("--env", variable)]
        heap = ["--env", "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", "--env", f"CLUSTER_ID={CLUSTER}"]
        _docker("run", "--detach", "--network=host", f"--name={self._name}", *heap, *options, IMAGE)
        self._made = True

    def signal(self, number: signal.Signals) -> None:
        actions = {signal.SIGSTOP: "pause", signal.SIGCONT: "unpause"}
        if number in actions:
            _docker(actions[number], self._name)
        else:
            _docker("kill", f"--signal={number.name}", self._name)

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while _docker("inspect", "--format={{.State.Running}}", self._name).strip() == "true":
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True


def start_cluster(
    folder: Path, brokers: int = 1, settings: Mapping[str, str] | None = None, name: str = "tests"
) -> Cluster:
    """*brokers* brokers with fresh data in *folder*, serving. Skips the test where none can be had."""
    kind = _kind()
    ports = _free_ports(2 * brokers)
    voters = ",".join(f"{n + 1}@127.0.0.1:{ports[2 * n + 1]}" for n in range(brokers))
    started = []
    for n in range(brokers):
        own = {**_settings(n + 1, ports[2 * n : 2 * n + 2], voters, brokers), **(settings or {})}
        scram = "sasl.enabled.mechanisms" in own
        process: Process = (
            JavaProcess(folder / str(n + 1), scram=scram)
            if kind == "java"
            else DockerProcess(f"slugline-{name}-{os.getpid()}-{n + 1}", scram=scram)
        )
        started.append(Broker(process, own, ports[2 * n : 2 * n + 1]))
    cluster = Cluster(",".join(f"127.0.0.1:{port}" for port in ports[::2]), started)
    try:
        for broker in started:
            broker.start()
        for broker in started:
            broker.serving()
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _settings(node: int, ports: list[int], voters: str, brokers: int) -> dict[str, str]:
    copies, enough = ("1", "1") if brokers < 3 else ("3", "2")
    client, controller = (f"127.0.0.1:{port}" for port in ports)
    return {
        **SETTINGS,
        "node.id": str(node),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "default.replication.factor": copies,
        "min.insync.replicas": enough,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": enough,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": enough,
    }


@functools.cache
def _kind() -> str:
    """`docker` or `java`; skips the test where there is neither, and fails it in CI."""
    if _engine_answers():
        return "docker"
    if shutil.which("java") and shutil.which("mvn"):
        return "java"
    if os.environ.get("CI") == "true":
        pytest.fail(HOW)
    return pytest.skip(HOW)


def _engine_answers() -> bool:
    if not shutil.which("docker") or shutil.which("uname") is None:
        return False
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=10)
    except (subprocess.SubprocessError, OSError):
        return False
    return os.uname().sysname == "Linux"


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False).stdout


def _variable(name: str) -> str:
    return name.replace("-", "___").replace("_", "__").replace(".", "_").upper()


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _java() -> list[str]:
    memory = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return ["java", *memory, "-Dlog4j2.level=INFO", "-cp", f"{_jars()}/*"]


@functools.cache
def _jars() -> Path:
    """Kafka's jars, from Maven Central once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "slugline" / f"kafka-{VERSION}"
    if not (folder / "complete").exists():
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
        command = ["mvn", "-B", "-q", "-f", str(POM), plugin, "-DincludeScope=runtime"]
        subprocess.run([*command, f"-DoutputDirectory={folder}"], check=True)
        (folder / "complete").touch()
    return folder


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kafka, the same for all tests: each takes a prefix of its own."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if servers:
        yield Cluster(servers)
        return
    cluster = start_cluster(tmp_path_factory.mktemp("kafka"))
    try:
        yield cluster
    finally:
        cluster.stop()
