"""Turn Python functions into machine code that is cached on disk and never stale.

Numba caches a compiled function beside its source file, or in the user's cache folder where that is not writeable; files are renamed into
place, so that many processes may start at once. It notices changes in that one source file only. Our kernels are built from equations in
other files, so the name of a kernel carries a digest of all the sources it is made of: changed equations are a new kernel. What is read
from disk is checked before it is loaded (:mod:`dmg_core.equations.code_cache`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType, NoneType
from typing import Any

import numba
import numpy as np
from numba import types

from dmg_core.equations.code_cache import FORMAT, CodeCache

_log = logging.getLogger(__name__)


def _mangled_record(record: types.Record) -> tuple[str, tuple[str]]:
    """Tell a record by its fields in the names of compiled functions.

    Numba tells it by a number that each process counts anew. Two kernels that were compiled in different processes and are loaded into
    one could then take a function for another that works on records of another layout, and give wrong numbers.
    """
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest()[:16],)


types.Record.mangling_args = property(_mangled_record)  # type: ignore[assignment]  # numba's is a property, too


def digest_of(*modules: ModuleType) -> str:
    """Short digest of the sources of modules; to be taken when they are imported, before their files can change."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


def compiled(function: Callable[..., Any], *, fuse: bool = False, inline: bool = False) -> Any:
    """Compile a function that other compiled functions call, together with the first of them.

    Python must call it through :func:`callable_from_python` alone: without, the process crashes. What calls from Python need takes a third
    of the time of compiling, and almost none of these functions is called so. Kernels are (:func:`compile_kernel`).

    Divisions do not look for zero divisors, as in numpy: that would keep loops from being vectorised.

    Parameters
    ----------
    function : function
        Plain Python function.
    fuse : bool
        Whether a product and a sum may become one operation with one rounding.
    inline : bool
        Whether the function always becomes part of what calls it, however long it is: a loop with a call in it is not vectorised.

    Returns
    -------
    callable
        For compiled functions.
    """
    fastmath = {"contract"} if fuse else False
    return _compile(_named_by_content(function), fastmath=fastmath, forceinline=inline, no_cpython_wrapper=True)


def callable_from_python(function: Callable[..., Any]) -> Any:
    """Let Python call a function that :func:`compiled` made, to look at it alone."""
    return _compile(lambda *arguments: function(*arguments))


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    # No C code calls any of them, which saves a part of compiling; the hints of numba's types lack the option that says so.
    everywhere: Any = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    return numba.njit(function, **everywhere, **options)


def _named_by_content(function: Callable[..., Any]) -> Callable[..., Any]:
    """Copy a function under a name that no other function has.

    Kernels that were compiled in different processes and are loaded into one share the functions they call by name and types. Numba tells
    functions of one name apart by counting, and each process counts anew: two lambdas, or one inner function with other closures, could be
    taken for each other.
    """
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    used = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    content = [code.co_code.hex(), repr(code.co_consts), *map(_content_of, cells)]
    content += [f"{name} {_content_of(value)}" for name, value in used]
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__qualname__ = f"{function.__qualname__}_{digest}"
    return copy


def _content_of(value: Any) -> str:
    """Describe what a function refers to: a compiled function by its name, which tells its content, a constant by its value."""
    if hasattr(value, "py_func"):
        return str(value.py_func.__qualname__)
    if isinstance(value, (bool, int, float, str, tuple, np.generic, NoneType)):
        return repr(value)
    return f"{type(value).__name__} {getattr(value, '__name__', '')}"


def cache_folder(function: Callable[..., Any]) -> Path | None:
    """Folder in which numba keeps the compiled code of a function; None where it can keep none."""
    try:
        return Path(CodeCache(function).cache_path)
    except RuntimeError:
        return None


def rebind(template: Callable[..., Any], **bindings: Any) -> Callable[..., Any]:
    """Copy ``template`` with some global names meaning something else."""
    return FunctionType(template.__code__, {**template.__globals__, **bindings}, template.__name__, template.__defaults__)


def compile_kernel(template: Callable[..., Any], name: str, digest: str, **bindings: Any) -> Callable[..., Any]:
    """Compile a copy of ``template`` in which some global names mean something else.

    Parameters
    ----------
    template : function
        Plain Python function that calls the names in ``bindings``. They are globals of the copy, not a closure, because numba cannot find
        functions with closures over other compiled functions in its cache again.
    name : str
        What tells this copy from others of the same template. It must tell the types of the arguments, too: processes that add several
        signatures to one entry of the cache at the same time can mix them up.
    digest : str
        Of all modules whose change makes the compiled code stale (:func:`digest_of`).
    **bindings
        Compiled functions, and types of arrays, by the names the template calls them.

    Returns
    -------
    callable
        The kernel, compiled at its first call, without holding the interpreter lock.
    """
    copy = rebind(template, **bindings)
    copy.__qualname__ = f"{template.__name__}_{name}_{digest}_{FORMAT}"
    kernel = _compile(copy)
    try:
        kernel._cache = CodeCache(copy)
    except RuntimeError as error:
        _log.warning("compiled code cannot be kept and is made anew at every start (%s); set NUMBA_CACHE_DIR to a writeable folder", error)
    return kernel  # type: ignore[no-any-return]  # numba has no types here


def direct_call(kernel: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Give what calls a kernel without finding out the types of its arguments, which takes longer than a small kernel itself.

    Parameters
    ----------
    kernel : callable
        Of :func:`compile_kernel`; it is compiled now.
    *arguments
        Arguments such as it will be called with. All later ones must be of the same types, arrays of the same element, number of
        dimensions and order in memory: nothing looks, and others would be read wrong.
    """
    compiler: Any = numba  # whose functions have no types
    dispatcher: Any = kernel
    entry: Callable[..., Any] = dispatcher.compile(tuple(compiler.typeof(argument) for argument in arguments))
    return entry
