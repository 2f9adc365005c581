"""``slaproof evaluate`` without ``--json``: the figures in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli


@pytest.mark.parametrize(
    ("contract", "service", "said"),
    [
        ("mailpro", "api",
         ["api: 50.0000 % (99 % promised), at worst 0.0022 %, seen 0.0044 % of the checks: BREACHED",
          "counted 1 of 2 checks, unknown 44,638, left out 0 s of down time",
          "website: no data (99 % promised): unproven: too little was seen to say",
          "counted 0 of 0 checks, unknown 0, left out 0 s of down time"]),
        ("sparkpost", "api",
         ["api: 99.9999 %, at worst 0.0022 %, seen 0.0022 % of the time: no target",
          "counted 1 s of 31 d by the second, unknown"]),
        ("mailgun", "api",
         ["api: 100.0000 % (99.99 % promised), at worst",
          "counted 0 s of 31 d, unknown 30 d 23 h 57 min, left out 0 s of down time"]),
    ],
)  # fmt: skip
def test_each_unit_is_said_in_its_own_words(contract: str, service: str, said: list[str], tmp_path: Path) -> None:
    """What was reached, what was promised and how much was seen, each with its name."""
    (tmp_path / "c.yaml").write_text(
        f"contracts:\n  c: {{preset: {contract}}}\n"
        f"targets:\n  - {{name: t, contract: c, service: {service}, interval: 60s}}\n"
    )
    (tmp_path / "r.csv").write_text(
        "at,target,location,scheduled,outcome,duration_ms\n"
        "2026-10-05T00:00:00Z,t,main,true,ok,1\n2026-10-05T00:01:00Z,t,main,true,timeout,1\n"
    )
    arguments = ["--config", str(tmp_path / "c.yaml"), "--contract", "c", "--results", str(tmp_path / "r.csv")]
    done = CliRunner().invoke(cli, ["evaluate", *arguments, "--period", "2026-10"])
    assert done.exit_code == 0, done.output
    for line in said:
        assert line in done.output, done.output
