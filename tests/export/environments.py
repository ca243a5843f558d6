"""Python environments of their own, for packages that do not go with those of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.openvino.session import compile_settings

HERE = Path(__file__).parent


def hint(precision: str) -> dict[str, str]:
    """The setting that has OpenVINO compute so, or in f32 where this process has no bf16."""
    name = "INFERENCE_PRECISION_HINT"
    return {name: compile_settings(precision)[name]}


def rounded(found: Any, expected: np.ndarray) -> bool:
    """Whether logits are as expected, but for one step of bf16 at the largest."""
    step = 2**-8 * np.abs(expected).max()
    return bool(np.allclose(np.array(found), expected, rtol=0, atol=step))


def python_with(modules: Sequence[str], variable: str) -> str:
    """A Python that has these modules: the one that an environment variable names, or this one."""
    python = os.environ.get(variable, sys.executable)
    code = f"import importlib.util as u; exit(None in map(u.find_spec, {list(modules)}))"
    if subprocess.run([python, "-c", code], check=False).returncode:
        pytest.skip(f"no {' and '.join(modules)} here; let {variable} name a Python that has them")
    return python


def answer_of(python: str, script: str, request: dict[str, Any], **environment: str) -> Any:
    """What a script beside this file prints, as JSON, for a request in JSON."""
    done = subprocess.run(
        [python, str(HERE / script)],
        input=json.dumps(request),
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
