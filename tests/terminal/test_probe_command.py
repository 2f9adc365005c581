"""`slaproof probe`: one probe now, everything shown, nothing recorded, no secret told."""

from __future__ import annotations

import io
import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from monitor.config.load import load
from monitor.terminal.probe_text import show
from probes._outcome import Line, Outcome, Phase, Result, TlsFacts

ROOT = Path(__file__).parents[2]


class _Greeting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        self.wfile.write(b"500 what is " + self.rfile.readline())


@pytest.fixture
def greeter() -> Iterator[int]:
    """A server that says 220 and repeats what it hears."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Greeting) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the probe aborts its connections
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def run(folder: Path, *arguments: str, port: int = 9) -> subprocess.CompletedProcess[str]:
    (folder / "m.yaml").write_text(
        "targets:\n"
        f"  - {{name: greeter, tcp: {{host: 127.0.0.1, port: {port}, send: 'LOGIN ${{PW}}', expect: ^220}}}}\n"
        "  - {name: nobody, tcp: {host: 127.0.0.1, port: 9}}\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "monitor", "probe", *arguments, "--config", str(folder / "m.yaml")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "PW": "marked-secret-0815", "COLUMNS": "100"},
    )  # fmt: skip


def test_a_good_probe_ends_with_0_and_shows_its_steps(tmp_path: Path, greeter: int) -> None:
    """Outcome, phases, transcript; the secret that was sent is hidden."""
    done = run(tmp_path, "greeter", port=greeter)
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout
    assert "connect" in done.stdout
    assert "LOGIN [redacted]" in done.stdout
    assert "220 ready" in done.stdout
    assert "marked-secret-0815" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout, "colours only on a terminal"
    assert not list(tmp_path.glob("*.db"))


def test_json_is_one_object_with_what_programs_need(tmp_path: Path, greeter: int) -> None:
    """--json: one document."""
    done = run(tmp_path, "greeter", "--json", port=greeter)
    shown = json.loads(done.stdout)
    assert {"target", "at", "outcome", "fault", "duration_ms", "phases", "detail"} <= set(shown)
    assert (shown["target"], shown["outcome"], shown["fault"]) == ("greeter", "ok", "none")
    assert shown["phases"]["connect"] >= 0
    assert "marked-secret-0815" not in done.stdout


def test_a_failure_ends_with_1_and_says_whose_fault_it_is(tmp_path: Path) -> None:
    """A refused connection: the provider's, with the reason."""
    done = run(tmp_path, "nobody")
    assert done.returncode == 1
    assert "refused" in done.stdout
    assert "the provider's fault" in done.stdout
    shown = json.loads(run(tmp_path, "nobody", "--json").stdout)
    assert (shown["outcome"], shown["fault"]) == ("refused", "provider")


def test_a_mistake_in_the_call_ends_with_2(tmp_path: Path) -> None:
    """An unknown target, a configuration that is not there."""
    done = run(tmp_path, "greter")
    assert done.returncode == 2
    assert "did you mean “greeter”?" in done.stderr
    none = subprocess.run(
        [sys.executable, "-m", "monitor", "probe", "x", "--config", str(tmp_path / "none.yaml")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert none.returncode == 2


def test_everything_that_is_known_is_shown(tmp_path: Path) -> None:
    """Bars on the probe's own time, the certificate with its days, evidence without its bytes."""
    (tmp_path / "m.yaml").write_text("targets: [{name: a, tcp: {host: mail.example, port: 25}}]")
    target = load(tmp_path / "m.yaml").targets[0]
    result = Result(
        outcome=Outcome.TLS,
        detail="certificate ended",
        advice="Tell them.",
        duration_ms=100,
        phases=(Phase(name="connect", start_ms=0, duration_ms=25), Phase(name="tls", start_ms=50, duration_ms=50)),
        peer="192.0.2.1:25",
        code=7,
        tls=TlsFacts(version="TLSv1.3", cipher="X", not_before=0, not_after=86_400 * 20_000, subject="CN=mail"),
        ids={"queue id": "ABC"},
        transcript=(Line(at_ms=1.0, mark=">", text="EHLO x\nMAIL"), Line(at_ms=2.0, mark="<", text="250 ok")),
        evidence={"certificates": [{"subject": "CN=mail", "pem": "-----BEGIN"}]},
    )
    out = io.StringIO()
    show(Console(file=out, width=100), target, 86_400_000 * 20_010, result, online=True)
    text = out.getvalue()
    lines = text.splitlines()
    connect = next(line for line in lines if line.strip().startswith("connect") and "━" in line)
    tls = next(line for line in lines if line.strip().startswith("tls") and "━" in line)
    assert connect.index("━") < tls.index("━")
    assert tls.count("━") == 2 * connect.count("━") == 20
    for wanted in (
        "tcp mail.example:25",
        "ended 10 days ago",
        "their queue id",
        "→ EHLO x",
        "← 250 ok",
        "→ Tell them.",
    ):
        assert wanted in text
    assert "BEGIN" not in text
    narrow = io.StringIO()
    show(Console(file=narrow, width=40), target, 86_400_000 * 20_010, result, online=True)
    connect, tls = (line for line in narrow.getvalue().splitlines() if "━" in line)
    assert connect.index("━") < tls.index("━") < 40
    assert (connect.split()[0], tls.split()[0]) == ("connect", "tls")
