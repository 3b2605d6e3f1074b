"""A real Apache Kafka for the tests: one that you name, one in Docker, or one by Java and Maven.

- `KAFKA_BOOTSTRAP_SERVERS=host:9092` names one that runs; tests that stop or kill it are skipped.
- Where a Docker engine answers, `apache/kafka` runs in it (host network, so Linux only).
- Where Java 17 and Maven are, Kafka's jars come from Maven Central (`pom.xml` beside this file),
  once, into `~/.cache/slugline/`.

Without any of them the tests that need Kafka are skipped, and say so; with `CI=true` they fail.
"""

import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

POM = Path(__file__).with_name("pom.xml")
VERSION = "4.2.1"
IMAGE = f"apache/kafka:{VERSION}"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
_PR_SET_PDEATHSIG = 1
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
    def remove(self) -> None: ...


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

    @property
    def ended(self) -> bool:
        """Whether it does not run."""
        return self._process.wait(0)

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

    def remove(self) -> None:
        """End it and leave nothing behind."""
        self.kill()
        self._process.remove()

    def _end(self, number: signal.Signals) -> None:
        self._process.signal(signal.SIGCONT)  # a frozen one takes no notice of TERM
        self._process.signal(number)
        if not self._process.wait(20):
            self._process.signal(signal.SIGKILL)
            self._process.wait(20)
        while any(_listens(port) for port in self._ports):
            time.sleep(0.05)  # a killed one's port closes a moment after it


@dataclass(frozen=True)
class Door:
    """A second way into a broker: it listens on *inside*, and tells clients to come to *outside*.

    Whoever serves *outside* decides what gets through.
    """

    outside: int
    inside: int


class Cluster:
    """Brokers that run. *brokers* is empty where they are somebody else's."""

    def __init__(
        self, servers: str, brokers: list[Broker] | None = None, doors: Sequence[Door] = ()
    ) -> None:
        self.servers = servers
        self.brokers = brokers or []
        self.doors = doors

    @property
    def broker(self) -> Broker:
        """The one broker, to be stopped and started; skips the test where it is not ours."""
        if not self.brokers:
            pytest.skip("stops the broker: not done to the one in KAFKA_BOOTSTRAP_SERVERS")
        return self.brokers[0]

    def stop(self) -> None:
        """End all of them."""
        for broker in self.brokers:
            broker.remove()


@dataclass(frozen=True)
class SecuredCluster:
    """A broker that wants credentials (PLAIN, SCRAM-SHA-256), TLS, or both, by its listeners."""

    plain: str
    credentials: str
    tls: str
    both: str
    ca_file: Path


class JavaProcess:
    """A broker as a process of this machine."""

    def __init__(self, folder: Path, format_options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._format_options = format_options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, settings: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text(_lines({**settings, "log.dirs": str(self._folder / "data")}))
        log = (self._folder / "kafka.log").open("ab")
        if not (self._folder / "data" / "meta.properties").exists():
            format_ = ["format", "-t", CLUSTER, "-c", str(properties), *self._format_options]
            subprocess.run(
                [*_java(), "kafka.tools.StorageTool", *format_], check=True, stdout=log, stderr=log
            )
        self._process = subprocess.Popen(
            [*_java(), "kafka.Kafka", str(properties)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the tests is not meant for it
            preexec_fn=_die_with_parent,
        )
        log.close()

    def signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            if number == signal.SIGSTOP:
                os.waitpid(self._process.pid, os.WUNTRACED)  # until it stands still

    def wait(self, seconds: float) -> bool:
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def remove(self) -> None:
        pass  # its folder is pytest's


class DockerProcess:
    """A broker in a container, which keeps its data as long as the container exists."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._made = False

    def start(self, settings: Mapping[str, str]) -> None:
        if self._made:
            _docker("start", self._name).check_returncode()
            return
        variables = [f"KAFKA_{_variable(name)}={value}" for name, value in settings.items()]
        variables += ["KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", f"CLUSTER_ID={CLUSTER}"]
        options = [option for variable in variables for option in ("--env", variable)]
        made = _docker("run", "--detach", "--network=host", f"--name={self._name}", *options, IMAGE)
        if made.returncode:
            pytest.fail(f"Docker does not run {IMAGE}: {made.stderr.strip()}")
        self._made = True

    def signal(self, number: signal.Signals) -> None:
        actions = {signal.SIGSTOP: "pause", signal.SIGCONT: "unpause"}
        if number in actions:
            _docker(actions[number], self._name)
        else:
            _docker("kill", f"--signal={number.name}", self._name)

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while True:
            state = _docker("inspect", "--format={{.State.Running}}", self._name)
            if state.stdout.strip() != "true":
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def remove(self) -> None:
        _docker("rm", "--force", "--volumes", self._name)


def start_cluster(
    folder: Path, brokers: int = 1, settings: Mapping[str, str] | None = None, doors: int = 0
) -> Cluster:
    """*brokers* brokers with fresh data in *folder*, serving. Skips the test where none can be had.

    The first broker has so many *doors*.
    """
    kind = _kind()
    made = [Door(*free_ports(2)) for _ in range(doors)]
    ports = free_ports(2 * brokers)
    voters = ",".join(f"{n + 1}@127.0.0.1:{ports[2 * n + 1]}" for n in range(brokers))
    started = []
    for n in range(brokers):
        own = {**_settings(n + 1, ports[2 * n : 2 * n + 2], voters, brokers), **(settings or {})}
        if n == 0:
            own |= _with_doors(own, made)
        process: Process = (
            JavaProcess(folder / str(n + 1))
            if kind == "java"
            else DockerProcess(f"slugline-tests-{os.getpid()}-{ports[2 * n]}")
        )
        started.append(Broker(process, own, ports[2 * n : 2 * n + 1]))
    cluster = Cluster(",".join(f"127.0.0.1:{port}" for port in ports[::2]), started, made)
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


def _with_doors(settings: Mapping[str, str], doors: Sequence[Door]) -> dict[str, str]:
    """A listener more for each of *doors*."""
    names = [f"DOOR{number}" for number in range(len(doors))]
    inside = [f"{n}://127.0.0.1:{d.inside}" for n, d in zip(names, doors, strict=True)]
    outside = [f"{n}://127.0.0.1:{d.outside}" for n, d in zip(names, doors, strict=True)]
    kinds = [f"{name}:PLAINTEXT" for name in names]
    more = {
        "listeners": inside,
        "advertised.listeners": outside,
        "listener.security.protocol.map": kinds,
    }
    return {name: ",".join([settings[name], *values]) for name, values in more.items()}


@functools.cache
def _kind() -> str:
    """`docker` or `java`; skips the test where there is neither, and fails it in CI."""
    if _engine_answers():
        return "docker"
    if _has_java():
        return "java"
    if os.environ.get("CI") == "true":
        pytest.fail(HOW)
    return pytest.skip(HOW)


def _has_java() -> bool:
    return bool(shutil.which("java") and shutil.which("mvn"))


def _engine_answers() -> bool:
    if sys.platform != "linux" or not shutil.which("docker"):
        return False
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=10)
    except (subprocess.SubprocessError, OSError):
        return False
    return True


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)


def _variable(name: str) -> str:
    return name.replace("-", "___").replace("_", "__").replace(".", "_").upper()


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _die_with_parent() -> None:
    """Linux: let a killed test run leave no broker behind. Needs a start from the main thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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


def free_ports(number: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
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


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredCluster]:
    """A real Kafka with locks on its doors. Only by Java and Maven: its certificates are files."""
    if not _has_java():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(HOW)
    folder = tmp_path_factory.mktemp("secured-kafka")
    ports = free_ports(5)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    settings = {
        **_settings(1, [ports[0], ports[4]], f"1@127.0.0.1:{ports[4]}", 1),
        **_locks(ports),
        **_certificate(authority),
    }
    user = ["--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"]
    broker = Broker(JavaProcess(folder / "1", user), settings, ports[:4])
    try:
        broker.start()
        broker.serving()
        plain, credentials, tls, both = (f"127.0.0.1:{port}" for port in ports[:4])
        yield SecuredCluster(plain, credentials, tls, both, folder / "ca.pem")
    finally:
        broker.remove()


def _locks(ports: list[int]) -> dict[str, str]:
    """Listeners for each kind of lock."""
    kinds = {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "BOTH": "SASL_SSL"}
    names = ["PLAINTEXT", *kinds]
    public = [f"{name}://127.0.0.1:{port}" for name, port in zip(names, ports, strict=False)]
    module = "org.apache.kafka.common.security"
    settings = {
        "listeners": ",".join([*public, f"CONTROLLER://127.0.0.1:{ports[4]}"]),
        "advertised.listeners": ",".join(public),
        "listener.security.protocol.map": ",".join(
            f"{name}:{kind}"
            for name, kind in {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **kinds}.items()
        ),
    }
    for name in ("sasl", "both"):
        prefix = f"listener.name.{name}"
        settings[f"{prefix}.sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256"
        settings[f"{prefix}.plain.sasl.jaas.config"] = (
            f'{module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        )
        settings[f"{prefix}.scram-sha-256.sasl.jaas.config"] = (
            f"{module}.scram.ScramLoginModule required;"
        )
    return settings


def _certificate(authority: trustme.CA) -> dict[str, str]:
    """A certificate for loopback, as Kafka wants it: PEM, the key in PKCS 8."""
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": _one_line(key),
        "ssl.keystore.certificate.chain": _one_line(chain),
    }


def _one_line(pem: bytes) -> str:
    return pem.decode().strip().replace("\n", "\\n")
