"""Prometheus, Alertmanager and blackbox_exporter from Debian on loopback, and their tools: promtool, amtool."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers import HOST, Process, Server, free_port, need


def run_tool(program: str, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool or amtool and give its exit code and words, whatever they are."""
    return subprocess.run(
        [need(program), *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def check_metrics(text: str) -> str:
    """The complaints of ``promtool check metrics`` about a page of metrics (plain text format); empty where none."""
    done = run_tool("promtool", "check", "metrics", stdin=text)
    return "" if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout}{done.stderr}"


def _ready(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=1) as response:
        return response.status == 200  # type: ignore[no-any-return]


class Prometheus(Server):
    """Prometheus on ``port``, with this configuration (YAML); ``extra`` are further options of its command line."""

    def __init__(self, folder: Path, config: str, *, extra: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.data = folder / "data"
        (folder / "prometheus.yml").write_text(config)
        self.processes = [
            Process(
                [
                    need("prometheus"),
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={self.data}",
                    f"--web.listen-address={HOST}:{self.port}",
                    "--enable-feature=exemplar-storage",
                    *extra,
                ],
                log=folder / "prometheus.log",
                ready=lambda: _ready(self.url("/-/ready")),
            )
        ]

    def url(self, path: str = "/") -> str:
        """The address of a page."""
        return f"http://{HOST}:{self.port}{path}"

    def api(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of the API."""
        with urllib.request.urlopen(
            f"{self.url('/api/v1/' + path)}?{urllib.parse.urlencode(parameters)}", timeout=10
        ) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series of an instant query."""
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]


class Blackbox(Server):
    """blackbox_exporter on ``port``, with this configuration (YAML)."""

    def __init__(self, folder: Path, config: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        (folder / "blackbox.yml").write_text(config)
        self.processes = [
            Process(
                [
                    need("prometheus-blackbox-exporter"),
                    f"--config.file={folder}/blackbox.yml",
                    f"--web.listen-address={HOST}:{self.port}",
                ],
                log=folder / "blackbox.log",
                ready=lambda: _ready(f"http://{HOST}:{self.port}/-/healthy"),
            )
        ]

    def probe(self, module: str, target: str) -> str:
        """The metrics of one probe."""
        query = urllib.parse.urlencode({"module": module, "target": target})
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/probe?{query}", timeout=30) as response:
            text: bytes = response.read()
        return text.decode()


class Alertmanager(Server):
    """Alertmanager on ``port``, with this configuration (YAML)."""

    def __init__(self, folder: Path, config: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        (folder / "alertmanager.yml").write_text(config)
        self.processes = [
            Process(
                [
                    need("prometheus-alertmanager"),
                    f"--config.file={folder}/alertmanager.yml",
                    f"--storage.path={folder}/data",
                    f"--web.listen-address={HOST}:{self.port}",
                    "--cluster.listen-address=",
                ],
                log=folder / "alertmanager.log",
                ready=lambda: _ready(f"http://{HOST}:{self.port}/-/ready"),
            )
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it knows."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/api/v2/alerts", timeout=10) as response:
            found: list[dict[str, Any]] = json.load(response)
        return found


_MODULES = """
modules:
  http_2xx: {prober: http, timeout: 5s}
  tcp_connect: {prober: tcp, timeout: 5s}
  smtp_starttls:
    prober: tcp
    timeout: 5s
    tcp: {query_response: [{expect: "^220"}, {send: "EHLO prober\\r"}, {expect: "^250 "}, {send: "QUIT\\r"}]}
"""


@pytest.fixture
def blackbox(tmp_path: Path) -> Iterator[Blackbox]:
    """A running blackbox_exporter with the modules http_2xx, tcp_connect and smtp_starttls."""
    with Blackbox(tmp_path / "blackbox", _MODULES) as server:
        yield server
