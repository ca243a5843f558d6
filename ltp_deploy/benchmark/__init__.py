"""Timing a bundle against everything else that could run the same model."""
