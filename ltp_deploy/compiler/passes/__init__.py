"""The compiler's passes, in the order in which they run.

Each pass is one function in a file of its own that takes a graph module and the plan, and returns
the rewritten graph module.
"""

from ltp_deploy.compiler.passes.compact import compact
from ltp_deploy.compiler.passes.fold_token_types import fold_token_types
from ltp_deploy.compiler.passes.fuse_qkv import fuse_qkv
from ltp_deploy.compiler.passes.pad_heads import pad_heads
from ltp_deploy.compiler.passes.select_outputs import output_names, select_outputs
from ltp_deploy.compiler.passes.set_precision import set_precision

PASSES = (
    fuse_qkv,
    pad_heads,
    fold_token_types,
    compact,
    select_outputs,
    set_precision,
)

__all__ = ["PASSES", "output_names", "select_outputs"]
