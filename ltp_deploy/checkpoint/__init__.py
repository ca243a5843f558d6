"""Reading what users bring. Weight names of model families are known here and nowhere else."""

from ltp_deploy.checkpoint.load import load_encoder

__all__ = ["load_encoder"]
