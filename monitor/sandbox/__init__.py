"""Local providers with a script of faults, to try everything without a network."""
