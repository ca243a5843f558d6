"""What a checkpoint does on sample data: activation ranges for int8, survivors, lengths."""

from ltp_deploy.errors import needs_build

needs_build("calibrating a checkpoint")
