"""How probes name themselves on the wire, so that a provider finds them in its logs."""

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

SOURCE = "0.1.0"
"""The version of a source tree that is not installed; equal to the one in pyproject.toml, which a test sees to."""


@cache
def version() -> str:
    """The version as a person cites it, such as ``0.1.0``."""
    try:
        return installed("slaproof")
    except PackageNotFoundError:
        return SOURCE


def user_agent(probe_id: str) -> str:
    """What stands in User-Agent: ``slaproof/0.1.0 (probe 01J...)``; the identifier is the one that is recorded."""
    return f"slaproof/{version()} (probe {probe_id})"
