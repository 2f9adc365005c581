"""Proving: a month's evidence becomes a bundle, a statement and a file that the other side can check."""
