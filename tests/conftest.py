"""Fixtures that all tests share: the real servers, and the rule that nothing may be skipped where all is installed."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from tests.servers import descriptors, no_skip

# In the order of their imports: pytest rewrites the assertions of what was not imported before.
pytest_plugins = [
    "tests.servers.certs",
    "tests.servers.dovecot",
    "tests.servers.postfix",
    "tests.servers.nginx",
    "tests.servers.smpp_node",
    "tests.servers.kannel",
    "tests.servers.drive_smpp",
    "tests.servers.bind",
    "tests.servers.rbldnsd",
    "tests.servers.prometheus",
    "tests.servers.tsa",
    "tests.servers.chromium",
]


# A deadline is a measurement of the machine: under load it fails whichever example runs just then.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With SLAPROOF_NO_SKIP a skipped test fails, whatever skipped it."""
    report = yield
    if report.skipped and no_skip() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and SLAPROOF_NO_SKIP is set: {reason}"
    return report


@pytest.fixture(autouse=True)
def _leaves_no_descriptor() -> Iterator[None]:
    """Whatever a test leaves open warns now, in that test: the collector would blame whichever runs when it comes by.

    Collecting takes longer than most tests, so it is done only where there are more descriptors than before.
    """
    before = len(descriptors())
    yield
    if len(descriptors()) > before:
        gc.collect()
