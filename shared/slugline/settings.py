"""Settings: what a process reads from its environment. One frozen record, checked at start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from slugline.errors import SettingsError

Network = IPv4Network | IPv6Network

PREFIX = "SLUGLINE_"

_KAFKA = "kafka://"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set, by `SLUGLINE_<NAME IN CAPITALS>`; `.env.example` explains each.

    Secrets do not print. An empty variable counts as unset.
    """

    #: Where views and, with `slugline run`, the log and its secrets live.
    data_dir: Path = Path("slugline-data")
    #: The log: `sqlite:///<path>`, or `kafka://host:9092,host:9092`. Unset: `log.db` in the data folder.
    log_url: str = ""
    #: What the names of our topics begin with; another prefix is another log on the same Kafka.
    kafka_prefix: str = "slugline."
    #: Whether brokers are spoken to over TLS; with a CA of one's own, and a certificate if they ask.
    kafka_tls: bool = False
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    #: The SASL mechanism, where brokers want credentials.
    kafka_sasl: str = ""
    kafka_username: str = ""
    kafka_password: str = field(default="", repr=False)
    #: Whether new topics are written through record by record: for a broker without replicas.
    kafka_flush: bool = False
    host: str = "127.0.0.1"
    ingest_port: int = 8080
    syndicate_port: int = 8081
    #: Where readers reach syndicate; links in feeds and webhooks are built from it.
    public_url: str = ""
    #: The host in the `tag:` ids of new blogs' feeds. Unset: the public URL's.
    authority: str = ""
    admin_token: str = field(default="", repr=False)
    #: One or more Fernet keys, comma-separated, newest first.
    secret_key: str = field(default="", repr=False)
    #: Networks that the egress guard lets pass, in CIDR notation, comma-separated.
    egress_allow: tuple[Network, ...] = ()
    #: The folder below which `file:` sources are read. Unset: no files are.
    source_dir: Path | None = None
    log_level: str = "info"
    #: `console`, `json`, or `auto`: console on a terminal.
    log_format: str = "auto"

    @property
    def base_url(self) -> str:
        """The public URL without a slash at the end; made from host and port where it is unset."""
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::") else self.host  # noqa: S104
        return (self.public_url or f"http://{host}:{self.syndicate_port}").rstrip("/")

    @property
    def tag_authority(self) -> str:
        """The host for the `tag:` ids of blogs made from now on."""
        return self.authority or urlsplit(self.base_url).hostname or "localhost"

    @property
    def kafka_servers(self) -> str:
        """`host:port,host:port` where the log is on Kafka, else nothing."""
        return self.log_url.removeprefix(_KAFKA) if self.log_url.startswith(_KAFKA) else ""

    @property
    def log_path(self) -> Path:
        """The file of the embedded log."""
        path = self.log_url.removeprefix("sqlite:///")
        return Path(path) if path else self.data_dir / "log.db"

    def shown(self) -> dict[str, str]:
        """What is set, as text for the log; of secrets only that they are."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {name: "set" for name in SECRETS if values[name]}
        values["egress_allow"] = ",".join(map(str, self.egress_allow))
        return {name: str(value) for name, value in values.items() if value not in ("", None)}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The settings in *env*. Raises SettingsError with one line per mistake."""
        mistakes: list[str] = []
        values: dict[str, Any] = {}
        for name, read in _READERS.items():
            try:
                text = _text(env, name)
                if text:
                    values[name] = read(text)
            except (ValueError, OSError) as error:
                mistakes.append(f"{PREFIX}{name.upper()}: {error}")
        if mistakes:
            raise SettingsError("\n".join(mistakes))
        return cls(**values)


SECRETS = ("admin_token", "secret_key", "kafka_password")


def _text(env: Mapping[str, str], name: str) -> str:
    variable = PREFIX + name.upper()
    file = env.get(f"{variable}_FILE", "").strip()
    if file and name in SECRETS:
        return Path(file).read_text().strip()
    return env.get(variable, "").strip()


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is no address such as https://live.example.org")
    return text


def log_url(text: str) -> str:
    """*text*, the URL of a log. Raises ValueError where it is none."""
    if text.startswith(_KAFKA):
        return _kafka_url(text)
    if not text.startswith("sqlite:///") or text == "sqlite:///":
        raise ValueError(
            f"{text!r} is no log; give sqlite:///<path>, or kafka://host:9092,host:9092"
        )
    return text


def _kafka_url(text: str) -> str:
    for server in text.removeprefix(_KAFKA).split(","):
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit() or "/" in server or "@" in server:
            raise ValueError(f"{server!r} is no broker; give kafka://host:9092,host:9092")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off", "true", "false", "1", "0"):
        raise ValueError(f"{text!r} is neither on nor off")
    return text.lower() in ("on", "true", "1")


def _networks(text: str) -> tuple[Network, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"{error}; give networks such as 127.0.0.0/8,10.1.0.0/16") from error


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"{text!r} is no folder; make it, or name another")
    return path


def _one_of(*choices: str) -> Callable[[str], str]:
    found = {choice.lower(): choice for choice in choices}

    def read(text: str) -> str:
        if text.lower() not in found:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return found[text.lower()]

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "data_dir": Path,
    "log_url": log_url,
    "kafka_prefix": str,
    "kafka_tls": _switch,
    "kafka_ca_file": Path,
    "kafka_certificate_file": Path,
    "kafka_key_file": Path,
    "kafka_sasl": _one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "kafka_username": str,
    "kafka_password": str,
    "kafka_flush": _switch,
    "host": str,
    "ingest_port": _port,
    "syndicate_port": _port,
    "public_url": _url,
    "authority": str,
    "admin_token": str,
    "secret_key": str,
    "egress_allow": _networks,
    "source_dir": _folder,
    "log_level": _one_of("debug", "info", "warning", "error"),
    "log_format": _one_of("auto", "console", "json"),
}
