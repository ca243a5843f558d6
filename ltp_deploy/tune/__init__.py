"""Pruning for the weights as they are: what policies cost on data, and the search for one."""

from ltp_deploy.errors import needs_build

needs_build("tuning a checkpoint")
