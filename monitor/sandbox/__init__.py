"""Local providers with a script of faults, to try everything without a network.

Everything listens on loopback. The providers behave like the real ones as far as a probe can see, and fail in turn as
`script.SHOW` says, so that outages, excluded maintenance and lost connections can be watched within minutes.
"""

from monitor.sandbox.stage import BASE_PORT, Sandbox

__all__ = ["BASE_PORT", "Sandbox"]
