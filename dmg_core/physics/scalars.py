"""Operations for compiled scalars: those of the library, and others that let loops over many catchments be vectorised."""

from __future__ import annotations

import math
from typing import Any

from dmg_core.compilation import compiled
from dmg_core.elementary import FLOAT64, build_exponential, build_logarithm
from dmg_core.physics.operations import Function, Operations

COMPILED = Operations(
    minimum=compiled(lambda a, b: a if a < b else b),
    maximum=compiled(lambda a, b: a if a > b else b),
    clip=compiled(lambda x, low, high: low if x < low else (high if x > high else x)),
    where=compiled(lambda condition, a, b: a if condition else b),
    power=compiled(lambda a, b: a**b),
    exp=compiled(lambda x: math.exp(x)),
    log=compiled(lambda x: math.log(x)),
    sqrt=compiled(lambda x: math.sqrt(x)),
    sin=compiled(lambda x: math.sin(x)),
    cos=compiled(lambda x: math.cos(x)),
    acos=compiled(lambda x: math.acos(x)),
    tan=compiled(lambda x: math.tan(x)),
    compiled=compiled,
)


def _inlined(function: Function) -> Any:
    return compiled(getattr(function, "py_func", function), inline=True)


def build_vectorisable() -> Operations:
    """Build the operations whose code becomes part of the loops that use them, with powers of positive numbers made of exp and log."""
    exponential, logarithm = build_exponential(FLOAT64), build_logarithm()
    simple = {name: _inlined(getattr(COMPILED, name)) for name in ("minimum", "maximum", "clip", "where")}
    power = _inlined(lambda a, b: exponential(b * logarithm(a)))
    return COMPILED._replace(**simple, exp=exponential, log=logarithm, power=power, compiled=_inlined)


VECTORISABLE = build_vectorisable()
