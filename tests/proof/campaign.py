"""The whole tampering campaign: python -m tests.proof.campaign. Prints what was missed, and how many were tried."""

from __future__ import annotations

import itertools
import sys
import time

from tests.proof import tamper
from tests.proof.test_tamper import check
from tests.proof.world import World


def main() -> int:
    """Try every way to falsify a small bundle in each verifier; 1 if one was missed."""
    from tests.proof.browser import campaign, opened
    from tests.servers.chromium import launch

    bundle = World(later=1).real_bundle()
    cases = list(itertools.chain(tamper.flips(bundle), tamper.cuts(bundle), tamper.structured(bundle)))
    started, missed = time.monotonic(), 0
    for name, data in cases:
        try:
            check(name, data)
        except AssertionError as error:
            missed += 1
            print("missed:", error)
    seconds = time.monotonic() - started
    print(f"{len(cases)} falsifications, {missed} missed by the verifiers in Python, {seconds:.0f} s")
    started = time.monotonic()
    with launch() as browser, opened(browser) as shown:
        unseen = campaign(shown, bundle, cases)
    for name in unseen:
        print("missed in the browser:", name)
    print(f"{len(cases)} falsifications, {len(unseen)} missed by the page, {time.monotonic() - started:.0f} s")
    return 1 if missed or unseen else 0


if __name__ == "__main__":
    sys.exit(main())
