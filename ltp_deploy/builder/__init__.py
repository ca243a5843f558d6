"""Checkpoint -> bundle: load, plan, compile, write, check."""

from ltp_deploy.errors import needs_build

needs_build("building a bundle")
