"""Reading a result's JSON into a dataclass that names a part of its entries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ltp_deploy.codec import from_json

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    PARTIAL: ClassVar[bool] = True


def view(kind: type[T], document: Any) -> T:
    """A view of a result, as `to_dict` gives it or as it was read from a file.

    Raises:
        Malformed: it is no result of this kind.
    """
    plain = json.loads(json.dumps(document), parse_constant=lambda _: None)
    return from_json(kind, plain)
