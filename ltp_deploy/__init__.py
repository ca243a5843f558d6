"""Compile transformers trained with Learned Token Pruning into engines that really are faster."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str):
    # `import ltp_deploy` must stay instant: backends and torch load on first use.
    if name == "load":
        from ltp_deploy.runtime.engine import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
