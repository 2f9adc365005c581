"""A capture of what goes over loopback, and what tshark's dissectors make of it.

with Capture(folder, {port: "smpp"}) as capture:
    ...
capture.malformed() == []
capture.field("smpp.command_id")
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers import Process, eventually, need, need_root


class Capture:
    """Everything over the ports named (port to the name of a dissector), from the start to the end of the block."""

    def __init__(self, folder: Path, ports: Mapping[int, str]) -> None:
        need_root()
        self._tshark, dumpcap = need("tshark"), need("dumpcap")
        self._ports = ports
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "capture.pcapng"
        ports_filter = " or ".join(f"port {port}" for port in ports)
        self._process = Process(
            # -B: room for bursts; every packet whole.
            [dumpcap, "-q", "-i", "lo", "-f", ports_filter, "-B", "8", "-s", "0", "-w", self.file],
            log=folder / "dumpcap.log",
            ready=lambda: self.file.exists() and "File:" in (folder / "dumpcap.log").read_text(),
            end_signal=signal.SIGINT,
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What was sent a moment ago is still on its way to the file.
        sizes: list[int] = []

        def settled() -> bool:
            sizes.append(self.file.stat().st_size)
            return len(sizes) > 5 and len(set(sizes[-5:])) == 1

        eventually(settled, step=0.1, because="the capture is written")
        self._process.stop()

    def _ask(self, *arguments: str) -> list[str]:
        decode = [part for port, name in self._ports.items() for part in ("-d", f"tcp.port=={port},{name}")]
        if "dns" in self._ports.values():
            decode += [part for port, name in self._ports.items() for part in ("-d", f"udp.port=={port},{name}")]
        done = subprocess.run(
            [self._tshark, "-n", "-r", self.file, *decode, *arguments], check=True, capture_output=True, text=True
        )
        return [line for line in done.stdout.splitlines() if line.strip()]

    def malformed(self) -> list[str]:
        """Packets in which a dissector found an error (group ``Malformed``, or an expert's error of the protocol)."""
        return self._ask("-Y", "_ws.malformed or (_ws.expert.severity == error and not tcp.analysis.flags)")

    def field(self, name: str, only: str = "") -> list[str]:
        """Every value of a field, in order; ``only`` is a display filter."""
        lines = self._ask("-Y", only or name, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;", "-e", name)
        return [value for line in lines for value in line.split(";")]
