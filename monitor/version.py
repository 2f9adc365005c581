"""Which slaproof this is: the installed distribution's version, or that of the source tree."""

from __future__ import annotations

from functools import cache

_SOURCE = "0.1.0"
"""The version of a source tree that is not installed; equal to the one in pyproject.toml, which a test sees to."""


@cache
def version() -> str:
    """The version as a person cites it, such as ``0.1.0``."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("slaproof")
    except PackageNotFoundError:
        return _SOURCE


def program() -> str:
    """The program's name and version, as statements and bundles name it."""
    return f"slaproof {version()}"
