"""slaproof as a part of a system."""

from tests.servers import ROOT

UNIT = ROOT / "deploy" / "systemd" / "slaproof.service"
