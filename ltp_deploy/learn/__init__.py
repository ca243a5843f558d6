"""Learned Token Pruning itself: training that gives an ordinary classifier its thresholds."""
