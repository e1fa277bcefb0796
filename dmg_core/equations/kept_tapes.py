"""Tapes kept beside compiled code, so that equations of the package need not be traced, nor torch be imported for it, at each start.

A tape is found again by the sources that it was made of. Equations of users are traced at every start: what they are made of is not known.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

from dmg_core.equations.code_cache import cache_folder
from dmg_core.equations.operations import Implicit, Operation, StepTape, Tape
from dmg_core.files import written_whole

_log = logging.getLogger(__name__)

_PACKAGE: Final = Path(__file__).parents[1]
#: Modules of the package in which equations stand, and sources that make tapes of them.
MODELS: Final = f"{_PACKAGE.name}.models"
_EQUATIONS: Final = (MODELS, f"{_PACKAGE.name}.physics.pet")
_TRACED_BY: Final = ("tracing.py", "tape.py", "lowering.py", "operations.py", Path(__file__).name)

#: Of which their text says all.
_PLAIN: Final = (bool, int, float, str, bytes, type(None))


def is_of_package(what: Any) -> bool:
    """Whether a class or a function stands in a module whose content :func:`digest_of_equations` tells, with all that it inherits."""
    parts = what.__mro__ if isinstance(what, type) else (what,)
    return all(part.__module__.startswith(_EQUATIONS) for part in parts if part not in (object, ABC))


def digest_of_equations(module: str) -> str:
    """Digest of a module of the package, or all below it: as they are in this process, where a script may have changed them."""
    modules = [(name, vars(each)) for name, each in sys.modules.items() if name == module or name.startswith(f"{module}.")]
    content = [f"{name} {_content_of(values, name)}" for name, values in sorted(modules, key=itemgetter(0))]
    return hashlib.sha256("\n".join([_digest_of_tracing(), *content]).encode()).hexdigest()


@cache
def _digest_of_tracing() -> str:
    return hashlib.sha256(b"\0".join((_PACKAGE / "equations" / name).read_bytes() for name in _TRACED_BY)).hexdigest()


def _content_of(value: Any, home: str, within: tuple[int, ...] = ()) -> str:
    """Describe functions by their code, classes and containers by their parts, and what has a place in another module by its name."""
    if isinstance(value, _PLAIN):
        return repr(value)
    elsewhere = getattr(value, "__module__", None)
    if isinstance(value, FunctionType | type) and elsewhere != home and str(elsewhere).startswith(_EQUATIONS):
        return f"{elsewhere}.{value.__qualname__}"
    parts = _parts_of(value, home)
    if parts is None or id(value) in within:
        return type(value).__name__
    return f"({' '.join(_content_of(part, home, (*within, id(value))) for part in parts)})"


def _parts_of(value: Any, home: str) -> Iterable[Any] | None:
    """Give what a value consists of; nothing of modules, registries and the like."""
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return value.__qualname__, value.__code__, value.__defaults__, value.__kwdefaults__, cells
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, [each for each in value.co_consts if not isinstance(each, frozenset)]
    if isinstance(value, type):
        own = sorted(vars(value).items()) if value.__module__ == home else ()
        return value.__qualname__, *(part for part in own if part[0] not in _NOT_CONTENT)
    if isinstance(value, Mapping):
        return [part for part in value.items() if part[0] not in _NOT_CONTENT]
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget,)
    return (type(value).__name__, vars(value)) if is_dataclass(value) else None


#: What modules and classes hold besides what is written in them.
_NOT_CONTENT: Final = (
    *("__builtins__", "__cached__", "__file__", "__loader__", "__spec__", "__path__", "__doc__", "__dict__", "__weakref__"),
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__"),
    *("_abc_impl", "__abstractmethods__", "__conditional_annotations__"),
)


def kept_step(name: str, options: str, trace: Callable[[], StepTape]) -> StepTape:
    """Give the tape of a step: the one that is kept, or else a new one, which is kept then.

    Parameters
    ----------
    name : str
        Of the process model.
    options : str
        All that its equations depend on besides the sources of the package.
    trace : callable
        Makes the tape.
    """
    return _step_of(_kept(name, MODELS, options, lambda: trace()._asdict()))


def kept_function(function: Callable[..., Any], trace: Callable[[], Tape]) -> Tape:
    """Give the tape of a function of the package; see :func:`kept_step`."""
    return _tape_of(_kept(function.__name__, function.__module__, "", trace))


def _kept(name: str, module: str, options: str, make: Callable[[], Any]) -> Any:
    key = hashlib.sha256(f"{digest_of_equations(module)}\0{name}\0{options}".encode()).hexdigest()[:24]
    try:
        path = cache_folder() / f"tape_{name}_{key}.json"
    except RuntimeError:  # there is no folder for compiled code
        return make()
    found = _read(path)
    if found is None:
        found = json.loads(json.dumps(make()))
        _write(path, json.dumps(found))
    return found


def _read(path: Path) -> Any:
    try:
        digest, _, content = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        _log.warning("traced equations cannot be read and are traced anew: %s: %s", path, error)
        return None
    if hashlib.sha256(content.encode()).hexdigest() != digest:
        _log.warning("traced equations in %s are damaged and are traced anew", path)
        return None
    return json.loads(content)


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            stream.write(f"{hashlib.sha256(content.encode()).hexdigest()}\n{content}".encode())
    except OSError as error:
        _log.info("traced equations cannot be kept as %s: %s", path, error)


def _tape_of(kept: list[Any]) -> Tape:
    name, inputs, operations, results = kept
    return Tape(name, tuple(inputs), tuple(map(_operation_of, operations)), tuple(results))


def _operation_of(kept: list[Any]) -> Operation:
    name, kind, operands, line, equation = kept
    return Operation(name, kind, tuple(operands), line, None if equation is None else _tape_of(equation))


def _step_of(kept: dict[str, Any]) -> StepTape:
    names = {name: tuple(kept[name]) for name in ("stores", "parameters", "forcings", "site", "fluxes")}
    ranges = tuple((low, high) for low, high in kept["ranges"])
    scheme = None if kept["scheme"] is None else Implicit(*kept["scheme"])
    return StepTape(tape=_tape_of(kept["tape"]), ranges=ranges, scheme=scheme, **names)
