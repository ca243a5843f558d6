"""Bundles for other people's runtimes: one file per consumer, a line in `table.py`, a test."""
