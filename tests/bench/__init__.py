"""Measurements that take longer than a test may: see `make help`."""
