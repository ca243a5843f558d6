"""Timing a bundle against everything else that could run the same model."""

from ltp_deploy.errors import needs_build

needs_build("timing a bundle")
