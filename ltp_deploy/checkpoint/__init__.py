"""Reading what users bring. Weight names of model families are known here and nowhere else."""

from ltp_deploy.errors import needs_build

needs_build("reading a checkpoint")

from ltp_deploy.checkpoint.load import load_encoder  # noqa: E402

__all__ = ["load_encoder"]
