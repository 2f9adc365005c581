"""Bytes of bundles of a month, a probe a minute, and seconds of CPU: python -m tests.proof.size [TARGETS ...]"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

from monitor.proof.bundle import build_bundle
from monitor.proof.verify import Known, verify
from monitor.recount import recount
from tests import verify_bundle
from tests.proof.world import SIGNER, World


class Alike(World):
    """All targets fare alike, so that making their history takes no longer than one's."""

    def segment(self, day, target, location):
        known = self.__dict__.setdefault("known", {})
        if (day, location) not in known:
            known[day, location] = super().segment(day, self.targets[0], location)
        return replace(known[day, location], target=target)


def main(counts: list[int]) -> int:
    """Print a line for each number of targets."""
    print(" targets observations       bytes  a target  build s  verify s  small s MiB (all)")
    for count in counts:
        names = tuple(f"t{n:03d}" for n in range(count))
        text = "name: mailer\nservices:\n  api: {target: 99.9%, down_when: any}\n"
        terms = {"name": "mailer", "services": {"api": {"target": "99.9%", "down_when": "any"}}}
        world = Alike(days=31, interval_ms=60_000, targets=names, others=0, beat_every_ms=3_600_000, failing=0.0003,
                      text=text, terms=terms, before_days=1)  # fmt: skip
        given = world.real_input()
        started = time.process_time()
        bundle = build_bundle(given, SIGNER)
        built = time.process_time()
        verdict = verify(bundle, Known(keys=(SIGNER.key,)), recount)
        verified = time.process_time()
        assert not verdict.places(), verdict.places()
        verify_bundle.verify(bundle, [str(SIGNER.key)])
        small = time.process_time()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        seen = sum(len(s.rows) for e in world.entries for s in e.shown["mailer"].segments)
        print(
            f"{count:8} {seen:12} {len(bundle):11} {len(bundle) // count:9} {built - started:8.2f}"
            f" {verified - built:9.2f} {small - verified:8.2f} {memory:7}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main([int(text) for text in sys.argv[1:]] or [1, 20]))
