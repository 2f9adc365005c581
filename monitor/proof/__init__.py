"""Canonical bytes, Merkle trees, checkpoints, bundles and their verification. Pure: bytes in, values out."""
