"""Canonical bytes, Merkle trees, checkpoints, bundles and their verification. Pure: bytes in, values out.

The formats are described in docs/proof-format.md; sections are cited as "format §N". Sealing uses ``segment`` and
``ledger``, proving uses ``bundle``, anybody who was given a file uses ``verify``.
"""
