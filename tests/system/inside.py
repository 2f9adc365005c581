"""What the system test does inside the machine that it booted: python inside.py RESULT-FILE.

Serves the target that the daemon probes, goes through the life of the service with systemctl, and writes what it saw as
JSON. Judged is it outside.
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONFIG = Path("/etc/slaproof/monitor.yaml")
_hits: list[tuple[float, str, str]] = []


class _Target(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _hits.append((time.monotonic(), self.path, self.headers.get("Authorization", "")))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _show(name: str) -> str:
    return _run("systemctl", "show", "-P", name, "slaproof.service")


def _wait(what: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def _hit(path: str, since: float) -> bool:
    return any(one[1] == path and one[0] > since for one in list(_hits))


def _metrics() -> str:
    try:
        with urllib.request.urlopen("http://127.0.0.1:9780/metrics", timeout=5) as response:
            text: bytes = response.read()
    except OSError as error:
        return f"# {error}"
    return text.decode()


def _life(seen: dict[str, Any]) -> None:
    seen["active"] = _wait(lambda: _show("ActiveState") == "active", 90)
    if not seen["active"]:
        return
    seen["status"] = _show("StatusText")
    seen["probed"] = _wait(lambda: _hit("/first", 0), 60)
    seen["credentials"] = sorted(path.name for path in Path("/run/credentials/slaproof.service").iterdir())
    seen["authorization"] = sorted({one[2] for one in _hits})
    _wait(lambda: "probe_success" in _metrics(), 40)
    seen["metrics"] = _metrics()

    good = _CONFIG.read_text()
    _CONFIG.write_text(good.replace("/first", "/second"))
    now = time.monotonic()
    seen["reload"] = subprocess.run(["systemctl", "reload", "slaproof.service"], check=False).returncode
    seen["probed_after_reload"] = _wait(lambda: _hit("/second", now), 60)
    _CONFIG.write_text(good + "nonsense: 1\n")
    subprocess.run(["systemctl", "reload", "slaproof.service"], check=False)
    seen["reload_refused"] = _wait(
        lambda: "slaproof_config_last_reload_successful 0" in _metrics().replace(".0", ""), 40
    )
    now = time.monotonic()
    seen["probed_after_refusal"] = _wait(lambda: _hit("/second", now), 60)
    _CONFIG.write_text(good)

    before = _show("MainPID")
    assert int(before) > 1
    _run("kill", "-USR1", before)
    seen["restarted"] = _wait(lambda: _show("NRestarts") == "1", 90)
    seen["active_again"] = _wait(lambda: _show("ActiveState") == "active" and _show("MainPID") != before, 90)
    now = time.monotonic()
    seen["probed_again"] = _wait(lambda: _hit("/first", now), 60)

    seen["state"] = [path.name for path in Path("/var/lib/slaproof/").iterdir()]
    seen["state_mode"] = oct(Path("/var/lib/slaproof/").stat().st_mode & 0o777)
    seen["uid"] = _run("stat", "-c", "%u", f"/proc/{_show('MainPID')}")
    seen["stop"] = subprocess.run(["systemctl", "stop", "slaproof.service"], check=False).returncode
    seen["result"] = _show("Result")


def main() -> None:
    seen: dict[str, Any] = {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), _Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _CONFIG.write_text(Path("/etc/slaproof-test.yaml").read_text())
        subprocess.run(["systemctl", "start", "--no-block", "slaproof.service"], check=True)
        _life(seen)
    except Exception:
        seen["error"] = traceback.format_exc()
    seen["journal"] = _run("journalctl", "--no-pager", "-o", "cat", "-u", "slaproof.service")
    Path(sys.argv[1]).write_text(json.dumps(seen))
    subprocess.run(["systemctl", "--no-block", "poweroff"], check=False)


if __name__ == "__main__":
    main()
