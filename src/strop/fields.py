"""`Fields`: the fields of a JSON object from outside, each read with its type checked.

For bodies whose shape is known and whose values are not to be trusted; what the fields mean is the
caller's business.

Next file: `resolution.py`.
"""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, is_object

__all__ = ["Fields"]

Number = TypeVar("Number", bound=np.generic)


class Fields:
    """The fields of a JSON object.

    Args:
        value: The object.
        where: What messages begin with.

    Raises:
        BadInput: By every method, where the field is missing, of another type or out of range.
    """

    def __init__(self, value: JsonObject, where: str) -> None:
        self._value, self.where = value, where

    def _fail(self, name: str, problem: str) -> BadInput:
        return BadInput(problem, where=f"{self.where}.{name}")

    def number(self, name: str, *, low: float) -> float:
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fail(name, "must be a number")
        if not (math.isfinite(value) and value >= low):
            raise self._fail(name, f"must be {low:g} or more")
        return float(value)

    def numbers(self, name: str, count: int) -> list[float]:
        values = self.list(name)
        if len(values) != count or any(
            isinstance(v, bool) or not isinstance(v, int | float) for v in values
        ):
            raise self._fail(name, f"must be {count} numbers")
        return [float(cast("float", v)) for v in values]

    def text(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str):
            raise self._fail(name, "must be text")
        return value

    def list(self, name: str) -> Sequence[Json]:
        value = self._value.get(name)
        if not isinstance(value, list | tuple):
            raise self._fail(name, "must be a list")
        return value

    def object(self, name: str) -> Mapping[str, Json]:
        value = self._value.get(name)
        if not is_object(value):
            raise self._fail(name, "must be an object")
        return value

    def bytes(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            raise self._fail(name, "is not base64, or cut off") from None

    def array(
        self, name: str, dtype: "np.dtype[Number]", shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """An array of finite numbers, as float32."""
        data = self.bytes(name)
        size = math.prod(shape) * dtype.itemsize
        if len(data) != size:
            raise self._fail(name, f"holds {len(data)} bytes, not the {size} of shape {shape}")
        array = np.frombuffer(data, dtype=dtype).reshape(shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise self._fail(name, "holds NaN or infinity")
        return array
