"""Measuring a bundle beside everything else that could run the same model."""
