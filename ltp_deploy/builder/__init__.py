"""Checkpoint -> bundle: load, plan, compile, write, check."""
