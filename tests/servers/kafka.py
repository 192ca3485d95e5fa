"""A real Apache Kafka node from its jars: no container engine, no root.

One node is broker and controller, alone or one of a cluster (cluster.py). Its settings differ from a production
broker's only where that saves waiting: single replicas, no delay before the first rebalance, short session
timeouts allowed.

    python -m tests.servers.kafka fetch      copies the jars (once, about a minute)
    python -m tests.servers.kafka run        runs a node until interrupted
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.servers.child import Child, StartFailed, Unavailable, free_port, wait_until

VERSION: Final = "4.1.0"
_ROOT: Final = Path(__file__).resolve().parents[2]
_POM: Final = Path(__file__).with_name("kafka-jars.xml")
_CACHE: Final = _ROOT / ".cache" / "kafka"
_FETCH_DEADLINE_S: Final = 900
_API_VERSIONS_REQUEST: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""Size, key of ApiVersions, version 0, correlation id 1, no client id: the smallest question a broker answers."""
_TEXT_LIMIT: Final = 2_000


def jars_directory() -> Path:
    """Return the directory of the jars, fetching them first if need be. Raises Unavailable."""
    given = os.environ.get("BAROMETER_TEST_KAFKA_JARS")
    if given:
        return Path(given)
    _java()
    jars = _CACHE / f"jars-{VERSION}"
    if not jars.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with (_CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want them at once
            if not jars.is_dir():
                _fetch(jars)
    return jars


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise Unavailable("Kafka: no java on the PATH (Debian: openjdk-17-jre-headless)")
    return java


def _fetch(jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Kafka: its jars are not there yet and mvn is not on the PATH (Debian: maven)")
    failure = ""
    # A home without a writable ~/.m2 is no reason to give up: then the project's own cache serves.
    for repository in ([], [f"-Dmaven.repo.local={_ROOT / '.cache' / 'maven'}"]):
        fresh = Path(tempfile.mkdtemp(prefix="fetch-", dir=_CACHE))
        command = [maven, "-q", "-B", "-f", str(_POM), *repository, "dependency:copy-dependencies"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={fresh}"],
                check=False,
                capture_output=True,
                text=True,
                timeout=_FETCH_DEADLINE_S,
            )
        except subprocess.TimeoutExpired:
            failure = f"mvn took longer than {_FETCH_DEADLINE_S} s"
        else:
            if done.returncode == 0:
                fresh.rename(jars)
                return
            failure = (done.stdout + done.stderr)[-_TEXT_LIMIT:]
        shutil.rmtree(fresh, ignore_errors=True)
    raise Unavailable(f"Kafka: its jars could not be fetched: {failure}")


class KafkaServer:
    """One Kafka node. Data survive `stop`, `kill9` and `start` again; `close` removes them."""

    def __init__(self, *, settings: Mapping[str, str] | None = None, heap: str = "512m") -> None:
        """Prepare a node; `settings` are further lines of server.properties, see `configure`. Raises Unavailable."""
        self._jars = jars_directory()
        self._heap = heap
        self._settings = dict(settings or {})
        self._directory = Path(tempfile.mkdtemp(prefix="barometer-kafka-"))
        self._port = free_port()
        self._controller_port = free_port()
        self._child: Child | None = None
        self.log = self._directory / "kafka.log"

    @property
    def bootstrap(self) -> str:
        """The bootstrap address, host:port; the same after every start."""
        return f"127.0.0.1:{self._port}"

    @property
    def bus_url(self) -> str:
        """The address as BAROMETER_BUS takes it."""
        return f"kafka://{self.bootstrap}"

    @property
    def controller(self) -> str:
        """The address for the other nodes of a cluster, host:port."""
        return f"127.0.0.1:{self._controller_port}"

    def configure(self, settings: Mapping[str, str]) -> None:
        """Add lines of server.properties before the first start; an empty value takes a line of ours out."""
        self._settings |= settings

    @property
    def alive(self) -> bool:
        """Whether the node's process runs."""
        return self._child is not None and self._child.alive

    def start(self) -> Self:
        """Start the node and return it once it answers. Raises StartFailed."""
        return self.begin().wait_ready()

    def begin(self) -> Self:
        """Start the node without waiting for it: it may need the others of its cluster. Raises StartFailed."""
        assert not self.alive, "the node runs already"
        properties = self._directory / "server.properties"
        if not properties.exists():
            properties.write_text(self._properties(), encoding="utf-8")
            self._format(properties)
        self._child = Child(self._command("kafka.Kafka", str(properties)), self.log)
        return self

    def wait_ready(self) -> Self:
        """Return once the node answers. Raises StartFailed."""
        assert self._child is not None
        self._child.wait_ready(self._answers)
        return self

    def stop(self) -> None:
        """Stop the node in order (SIGTERM)."""
        if self._child is not None:
            self._child.stop()

    def kill9(self) -> None:
        """End the node as a power cut would end the process."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End the node and remove its data."""
        self.kill9()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        # The second compiler pays after minutes of load; most nodes here live for less.
        flags = [
            f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]  # fmt: skip
        return [_java(), *flags, "-cp", f"{self._jars}/*", main_class, *arguments]

    def _format(self, properties: Path) -> None:
        tool = self._command("kafka.tools.StorageTool", "format")
        alone = [] if "controller.quorum.voters" in self._settings else ["--standalone"]
        command = [*tool, *alone, "-t", "YmFyb21ldGVyLXRlc3RzLQ", "-c", str(properties)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise StartFailed(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": self.controller,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._directory / "data"),
            "auto.create.topics.enable": "false",
            "num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "2000",  # a killed node is let in again only after its old session
            "broker.heartbeat.interval.ms": "500",
            "group.min.session.timeout.ms": "500",
            "log.initial.task.delay.ms": "500",  # or a young node forgets nothing for half a minute
            "log.retention.check.interval.ms": "2000",
            "log.cleaner.backoff.ms": "500",
            "controlled.shutdown.enable": "false",
        }
        return "".join(f"{key}={value}\n" for key, value in {**settings, **self._settings}.items() if value)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(_API_VERSIONS_REQUEST)
                return len(connection.recv(10)) == 10
        except OSError:
            return False


def main(arguments: list[str]) -> None:
    """Fetch the jars, or run one node until interrupted."""
    try:
        jars = jars_directory()
    except Unavailable as missing:
        sys.exit(str(missing))
    if arguments == ["fetch"]:
        print(f"Kafka {VERSION}: jars in {jars}")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with KafkaServer() as kafka:
        print(kafka.bus_url, flush=True)
        try:
            wait_until(lambda: not kafka.alive, "the end of the node", deadline_s=float("inf"), poll_s=1)
        except KeyboardInterrupt:
            print("stopping")


if __name__ == "__main__":
    main(sys.argv[1:])
