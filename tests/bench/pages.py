"""How soon the overview of fifty services is seen, in Chromium: ``python -m tests.bench.pages [--count 20]``.

The months are judged before; each time is that of a fresh visit. First contentful paint is what the browser says of
itself; the bytes are those of the page with style and script.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

from monitor.web import overview
from monitor.web.ports import Source
from tests.servers.chromium import launch
from tests.web.conftest import make_fifty
from tests.web.month import fill
from tests.web.test_browser import served

_PAINTED = (
    "new Promise((done) => new PerformanceObserver((list) => done(list.getEntriesByName('first-contentful-paint')"
    "[0].startTime)).observe({type: 'paint', buffered: true}))"
)


def _figures(name: str, times: list[float]) -> str:
    return f"{name:<34} {min(times):.0f} ms at best, {statistics.median(times):.0f} ms in the middle"


def measure(source: Source, count: int) -> None:
    """Print the figures."""
    with served(source) as address, launch() as browser:
        context = browser.new_context(viewport={"width": 1600, "height": 900})
        page = context.new_page()
        page.goto(address + "/")
        loaded: list[str] = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
        urls = {address + "/", *(url for url in loaded if not url.endswith("/live"))}
        bodies = [context.request.get(url).body() for url in urls]
        painted, answered = [], []
        for _ in range(count):
            page.goto(address + "/")
            painted.append(float(page.evaluate(_PAINTED)))
            answered.append(float(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")))
        context.close()
    built = []
    for _ in range(count):
        before = time.process_time()
        overview.build(source)
        built.append((time.process_time() - before) * 1000)
    print(f"{'bytes of 50 services':<34} {sum(map(len, bodies)):,}")
    print(f"{'the same, compressed':<34} {sum(len(gzip.compress(body)) for body in bodies):,}")
    print(_figures("first paint", painted))
    print(_figures("page received", answered))
    print(_figures("CPU to gather what it says", built))


def main() -> int:
    """Measure over a month made for it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="how many visits (default 20)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slaproof-bench-") as folder:
        path = Path(folder, "month.db")
        fill(path).close()
        source = make_fifty(path)
        measure(source, options.count)
        source.closing()
    return 0


if __name__ == "__main__":
    sys.exit(main())
