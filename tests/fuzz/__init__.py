"""Hostile bundles, checkpoints and requests: no signal, no hang, no raw exception."""
