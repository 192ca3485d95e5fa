"""A real Prometheus on loopback, in a directory of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.servers.child import Child, Unavailable, free_port

_TIMEOUT_S: Final = 10
_CONFIGURATION: Final = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: {rules}
scrape_configs:
  - job_name: barometer
    static_configs:
      - targets: {targets}
"""


def program() -> Path:
    """Return the path of prometheus. Raises Unavailable."""
    return _find("prometheus")


def promtool() -> Path:
    """Return the path of promtool. Raises Unavailable."""
    return _find("promtool")


def version() -> str:
    """Return the version, such as 2.42.0. Raises Unavailable."""
    done = subprocess.run(
        [promtool(), "--version"], check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    return (done.stdout + done.stderr).split()[2]


def _find(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"Prometheus: no {name} on the PATH (Debian: prometheus)")
    return Path(found)


class PrometheusServer:
    """One Prometheus; add what it scrapes, `start()` it, `query()` it."""

    def __init__(self) -> None:
        """Prepare a server. Raises Unavailable."""
        self._program = program()
        self._directory = Path(tempfile.mkdtemp(prefix="barometer-prometheus-"))
        self._port = free_port()
        self._child: Child | None = None
        self._targets: list[str] = []
        self._rules: list[str] = []
        self._configuration: str | None = None
        self.log = self._directory / "prometheus.log"

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def scrape(self, *targets: str) -> Self:
        """Scrape /metrics of `targets` (host:port) each second."""
        self._targets.extend(targets)
        return self

    def rules(self, *files: Path) -> Self:
        """Evaluate the rules of `files` each second."""
        self._rules.extend(str(file.resolve()) for file in files)
        return self

    def configure(self, text: str) -> Self:
        """Use `text`, a whole prometheus.yml, instead of targets and rules."""
        self._configuration = text
        return self

    def start(self) -> Self:
        """Start the server and return it once it is ready. Raises StartFailed."""
        configuration = self._directory / "prometheus.yml"
        text = _CONFIGURATION.format(targets=json.dumps(self._targets), rules=json.dumps(self._rules))
        configuration.write_text(self._configuration or text, encoding="utf-8")
        options = {
            "config.file": configuration,
            "storage.tsdb.path": self._directory / "data",
            "web.listen-address": f"127.0.0.1:{self._port}",
        }
        command = [str(self._program), *(f"--{key}={value}" for key, value in options.items())]
        self._child = Child(command, self.log, directory=self._directory)
        self._child.wait_ready(self._ready)
        return self

    def query(self, expression: str) -> Sequence[dict[str, Any]]:
        """Return the result vector of `expression` now."""
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def stop(self) -> None:
        """Stop the server in order."""
        if self._child is not None:
            self._child.stop()

    def kill9(self) -> None:
        """End the server with SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill9()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
