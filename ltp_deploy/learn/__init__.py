"""Learned Token Pruning itself: training that gives an ordinary classifier its thresholds."""

from ltp_deploy.errors import needs_build

needs_build("training a checkpoint")
