"""The texts of the fingerprint belong to the bundle's format."""

import hashlib

from ltp_deploy.bundle.manifest import FORMAT_VERSION
from ltp_deploy.data.probes import PROBES

KNOWN = {3: "6f39435c094ec6232359699b3eff87b5bebceae1d32aaf760c9ad7565d7d50cf"}


def test_other_texts_are_another_format() -> None:
    assert hashlib.sha256(repr(PROBES).encode()).hexdigest() == KNOWN[FORMAT_VERSION]
