"""The compiler's passes, in the order in which they run.

A pass is one function in one file, `(graph module, plan) -> graph module`.
"""

from ltp_deploy.compiler.passes.compact import compact
from ltp_deploy.compiler.passes.fold_token_types import fold_token_types
from ltp_deploy.compiler.passes.fuse_qkv import fuse_qkv
from ltp_deploy.compiler.passes.select_outputs import output_names, select_outputs

PASSES = (
    fuse_qkv,
    fold_token_types,
    compact,
    select_outputs,
)

__all__ = ["PASSES", "output_names"]
