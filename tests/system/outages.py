"""Real servers stopped, silenced and restarted while the daemon watches them: does the report say what happened?

``python -m tests.system.outages`` takes ten minutes (``make outages``); `tests/system/test_outages.py` is the same in
short. Watched are nginx, Postfix (STARTTLS, AUTH by Dovecot), Kannel's sendsms and an SMSC by node-smpp.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.servers import HOST, ROOT, Process, Server, campaign, free_port
from tests.servers.certs import authority
from tests.servers.kannel import Kannel
from tests.servers.nginx import Nginx
from tests.servers.postfix import Postfix
from tests.servers.smpp_node import SmppNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long everything takes, in seconds."""

    interval: float
    timeout: float
    calm: float
    """Before the first fault, between two and after the last."""
    down: float
    """How long each fault lasts."""
    tolerance: float
    """What a reported end of an outage may be off."""


@dataclass(slots=True)
class Story:
    """What was done to one server: the faults with their beginning and end, and the moment of its restart."""

    faults: list[tuple[str, float, float]] = field(default_factory=list)
    restart: tuple[float, float] = (0.0, 0.0)


def _live(server: Server, plan: Plan, story: Story) -> None:
    """Stop, silence and restart a server, each once."""
    for name, begin, end in (
        ("stopped", server.stop, server.start),
        ("silenced", server.suspend, server.resume),
    ):
        time.sleep(plan.calm)
        start = time.time()
        begin()
        time.sleep(plan.down)
        end()
        story.faults.append((name, start, time.time()))
    time.sleep(plan.calm)
    start = time.time()
    server.restart()
    story.restart = (start, time.time())
    time.sleep(plan.calm)


def _config(folder: Path, plan: Plan, port: int, servers: dict[str, Any]) -> Path:
    nginx, postfix, kannel, smsc = (servers[name] for name in ("nginx", "postfix", "kannel", "smsc"))
    probes = {
        "nginx": {"http": {"url": nginx.url(tls=True), "ca": "ca.pem", "expect": {"json": {"$.state": "ok"}}}},
        "postfix": {
            "smtp": {
                "host": "localhost",
                "port": postfix.port,
                "tls": "starttls",
                "ca": "ca.pem",
                "username": "u",
                "password": "secret",
                "from": "probe@example",
                "to": "sink@example",
            }
        },
        "kannel": {"sms": {"url": kannel.sendsms_url(), "expect": {"status": [202]}}},
        "smsc": {"smpp": {"host": HOST, "port": smsc.port, "system_id": "u", "password": "secret"}},
        # Of which nothing is ever wrong.
        "quiet": {"http": {"url": servers["quiet"].url()}},
    }
    config = {
        "location": "here",
        "storage": "slaproof.db",
        "listen": f"{HOST}:{port}",
        "targets": [
            {"name": name, "interval": f"{plan.interval:g}s", "timeout": f"{round(plan.timeout * 1000)}ms", **probe}
            for name, probe in probes.items()
        ],
    }
    authority().write(folder)
    path = folder / "monitor.yaml"
    path.write_text(json.dumps(config))
    return path


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _report(config: Path) -> dict[str, list[tuple[float, float]]]:
    """The outages of every service, as ``slaproof report`` tells them."""
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "report", "current", "--format", "json", "--config", config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    contracts = json.loads(done.stdout)["contracts"]
    return {
        service["service"]: [(_seconds(one["start"]), _seconds(one["end"])) for one in service["outages"]]
        for contract in contracts
        for service in contract["services"]
    }


def _ready(port: int) -> bool:
    with urllib.request.urlopen(f"http://{HOST}:{port}/-/ready", timeout=2) as response:
        return response.status == 200  # type: ignore[no-any-return]


def judge(plan: Plan, stories: dict[str, Story], reported: dict[str, list[tuple[float, float]]]) -> list[str]:
    """What the report got wrong; nothing where it tells the story."""
    wrong = []
    for name, outages in reported.items():
        story = stories.get(name, Story())
        left = list(outages)
        for fault, start, end in story.faults:
            found = [
                one for one in left if abs(one[0] - start) <= plan.tolerance and abs(one[1] - end) <= plan.tolerance
            ]
            if len(found) != 1:
                wrong.append(f"{name} was {fault} from {start:.1f} to {end:.1f}; reported are {outages}")
            left = [one for one in left if one not in found]
        # A restart is short: it may be seen, and need not be.
        start, end = story.restart
        left = [one for one in left if not (start - plan.tolerance <= one[0] and one[1] <= end + plan.tolerance)]
        wrong += [f"{name} was not down from {one[0]:.1f} to {one[1]:.1f}" for one in left]
    missing = set(stories) - set(reported)
    return wrong + [f"{name} is not in the report" for name in sorted(missing)]


def run(folder: Path, plan: Plan) -> tuple[list[str], dict[str, Story], dict[str, list[tuple[float, float]]]]:
    """Start everything, live through the story, and compare."""
    with (
        Nginx(folder / "nginx") as nginx,
        Nginx(folder / "quiet") as quiet,
        Postfix() as postfix,
        Kannel(folder / "kannel") as kannel,
        SmppNode(folder / "smsc") as smsc,
    ):
        servers: dict[str, Any] = {
            "nginx": nginx,
            "postfix": postfix,
            "kannel": kannel,
            "smsc": smsc,
            "quiet": quiet,
        }
        port = free_port()
        config = _config(folder, plan, port, servers)
        command: list[str | Path] = [sys.executable, "-m", "monitor", "run", "--config", config]
        with Process(command, log=folder / "log", cwd=ROOT, ready=lambda: _ready(port), within=60, patience=15):
            time.sleep(plan.interval)  # everything has been probed once
            stories = {name: Story() for name in servers if name != "quiet"}
            threads = [
                threading.Thread(target=_live, args=(servers[name], plan, story)) for name, story in stories.items()
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            reported = _report(config)
    return judge(plan, stories, reported), stories, reported


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S.%f}"[:-3]


def main() -> int:
    """The campaign; the exit code says whether the report was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.outages", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes: float = parser.parse_args().minutes
    # Two faults and a restart, with four times of calm; an outage is known to an interval and a timeout.
    plan = Plan(interval=2, timeout=1.5, calm=minutes * 60 * 0.15, down=minutes * 60 * 0.2, tolerance=6)
    with tempfile.TemporaryDirectory(prefix="slaproof-outages-") as folder:
        wrong, stories, reported = run(Path(folder), plan)
    for name, outages in sorted(reported.items()):
        print(name)
        for fault, start, end in stories.get(name, Story()).faults:
            print(f"  {fault:9} {_clock(start)} to {_clock(end)}")
        for start, end in outages:
            print(f"  reported  {_clock(start)} to {_clock(end)}")
    print("\n".join(wrong) or "The report tells the story, and nothing else.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(campaign(main))
