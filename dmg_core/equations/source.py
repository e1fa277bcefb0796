"""From a tape to the source of a function: forward, in reverse, or its Jacobian."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dmg_core.equations import roots
from dmg_core.equations.compilation import cache_folder, compiled
from dmg_core.equations.operations import Operand, Tape
from dmg_core.equations.primitives import primitives
from dmg_core.equations.rules import FINITE, RULES
from dmg_core.equations.writer import Writer, text_of
from dmg_core.files import written_whole

_log = logging.getLogger(__name__)


def write_forward(tape: Tape, writer: Writer, values: dict[str, Operand]) -> list[Operand]:
    """Write the operations of a tape.

    Parameters
    ----------
    tape : Tape
        The operations.
    writer : Writer
        Where they are written.
    values : dict of str to Operand
        What each input is called in the code; gains the results of all operations.

    Returns
    -------
    list of Operand
        The results of the tape.
    """
    for operation in tape.operations:
        writer.origin = operation.line
        given = [_value(values, each) for each in operation.operands]
        if operation.equation is None:
            values[operation.name] = RULES[operation.kind][0](writer, *given)
        else:
            values[operation.name] = _write_root(writer, operation.equation, given)
    return [_value(values, each) for each in tape.results]


def write_reverse(
    tape: Tape, writer: Writer, values: Mapping[str, Operand], given: Sequence[Operand], wanted: Iterable[str]
) -> list[Operand]:
    """Write the reverse of a tape whose operations are written.

    Parameters
    ----------
    tape : Tape
        The operations.
    writer : Writer
        Where the reverse is written.
    values : mapping of str to Operand
        What :func:`write_forward` has filled in.
    given : sequence of Operand
        Sensitivities to the results of the tape.
    wanted : iterable of str
        Inputs.

    Returns
    -------
    list of Operand
        Sensitivities to the wanted inputs.
    """
    sensitivities: dict[Operand, Operand] = {}

    def pass_on(to: Operand, amount: Operand) -> None:
        if isinstance(to, str):
            sensitivities[to] = writer.add(sensitivities.get(to, 0.0), amount)

    for result, d in zip(tape.results, given, strict=True):
        pass_on(result, d)
    branches = _branches(tape)
    for operation in reversed(tape.operations):
        name, kind, operands = operation.name, operation.kind, operation.operands
        d = sensitivities.pop(name, 0.0)
        if d == 0.0:
            continue
        writer.origin = operation.line
        read = [_value(values, each) for each in operands]
        if operation.equation is None:
            gradients = RULES[kind][1](writer, d, values[name], *read)
        else:
            gradients = _reverse_root(writer, operation.equation, d, values[name], read)
        steep = name in branches and kind not in FINITE and not _linear(kind, operands)
        for operand, amount in zip(operands, gradients, strict=True):
            if amount is not None:
                pass_on(operand, writer.select(writer.let("ne", d, 0.0), amount, 0.0) if steep else amount)
    return [sensitivities.get(each, 0.0) for each in wanted]


def _write_root(writer: Writer, equation: Tape, given: Sequence[Operand]) -> Operand:
    """Write the call of a function that finds a root; its name tells its content."""
    inner = Writer()
    (residual,) = write_forward(equation, inner, {name: name for name in equation.inputs})
    statements, _ = statements_of(inner, {"return": residual})
    code = Code("residual", f"def residual({', '.join(equation.inputs)}):", statements, "    ")
    name = f"root_{code.digest}_{roots.DIGEST}"
    writer.functions[name] = roots.root_of(function_of(code, vectorised=False, **inner.functions))
    return writer.let(name, *given)


def _reverse_root(writer: Writer, equation: Tape, d: Operand, root: Operand, given: Sequence[Operand]) -> list[Operand]:
    """Write sensitivities to the bounds and to what the function refers to, by the implicit function theorem."""
    lower, upper, *others = given
    inside = writer.let("and", writer.let("gt", root, lower), writer.let("lt", root, upper))
    values: dict[str, Operand] = dict(zip(equation.inputs, (root, *others), strict=True))
    write_forward(equation, writer, values)
    (slope,) = write_reverse(equation, writer, values, [1.0], equation.inputs[:1])
    gradients = write_reverse(equation, writer, values, [writer.neg(writer.div(d, slope))], equation.inputs[1:])
    to_bounds = [writer.select(writer.let(kind, root, bound), d, 0.0) for kind, bound in (("le", lower), ("ge", upper))]
    return [*to_bounds, *(writer.select(inside, amount, 0.0) for amount in gradients)]


def _value(values: Mapping[str, Operand], operand: Operand) -> Operand:
    return values[operand] if isinstance(operand, str) else operand


def _branches(tape: Tape) -> set[Operand]:
    """Operations that are computed for a branch of a choice, and may not count."""
    inside: set[Operand] = set()
    for operation in reversed(tape.operations):
        if operation.name in inside:
            inside.update(operation.operands)
        elif operation.kind == "where":
            inside.update(operation.operands[1:])
    return inside


def _linear(kind: str, operands: Sequence[Operand]) -> bool:
    """Whether an operation multiplies by a finite constant."""
    constant = operands[-1] if kind == "div" else next((each for each in operands if not isinstance(each, str)), "")
    return kind in ("mul", "div") and not isinstance(constant, str) and math.isfinite(constant) and constant != 0.0


#: Longest expression, in letters, that stands where it is used instead of having a name.
LONGEST: Final = 60


class Statement(NamedTuple):
    """One line of a function."""

    text: str
    """Without indentation."""
    origin: str
    """Line of the model it comes from, or nothing."""


class Code(NamedTuple):
    """Source of a function."""

    name: str
    """What the function is called."""
    head: str
    """Everything before the statements, such as ``def step(group):``."""
    statements: tuple[Statement, ...]
    """Straight-line code."""
    indent: str
    """Before each of the statements."""

    @property
    def text(self) -> str:
        """The source without comments: what it does and nothing else."""
        return "\n".join([self.head, *(f"{self.indent}{each.text}" for each in self.statements)]) + "\n"

    @property
    def digest(self) -> str:
        """Short digest of :attr:`text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def commented(self) -> str:
        """The source, with the lines of the model it comes from."""
        written, last = [self.head], ""
        for text, origin in self.statements:
            written.append(f"{self.indent}{text}" + (f"  # {origin}" if origin not in ("", last) else ""))
            last = origin or last
        return "\n".join(written) + "\n"


def function_of(code: Code, *, vectorised: bool = True, inline: bool = False, **scope: Any) -> Callable[..., Any]:
    """Make the function of a source for compiled functions to call, and keep the source beside compiled code, to be read.

    Parameters
    ----------
    code : Code
        The source.
    vectorised : bool
        See :func:`~dmg_core.equations.primitives.primitives`.
    inline : bool
        Whether it always becomes part of what calls it.
    **scope
        Constants and functions that it uses besides those.

    Returns
    -------
    callable
        For compiled functions.
    """
    qualified = f"{code.name}_{code.digest}"
    names = {**primitives(vectorised=vectorised), **scope, "__name__": __name__}
    exec(compile(code.text, _keep(code, qualified), "exec"), names)
    function = names[code.name]
    function.__qualname__ = qualified
    result: Callable[..., Any] = compiled(function, inline=inline)
    return result


def _keep(code: Code, qualified: str) -> str:
    """Keep a source beside compiled code, if there is room; returns its path."""
    folder = cache_folder(function_of)
    if folder is None:
        return f"<{qualified}>"
    path, content = folder / f"{qualified}.py", code.commented.encode()
    try:
        if not path.exists() or path.read_bytes() != content:
            folder.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as stream:
                stream.write(content)
    except OSError as error:
        _log.info("the source of generated code cannot be kept as %s: %s", path, error)
    return str(path)


def statements_of(writer: Writer, targets: Mapping[str, Operand]) -> tuple[tuple[Statement, ...], set[Operand]]:
    """Write down what results need.

    Parameters
    ----------
    writer : Writer
        Its lines.
    targets : mapping of str to Operand
        Results by what is done with them, such as ``"a[0] ="`` or ``"a[0] +="``.

    Returns
    -------
    tuple of Statement
        Lines and assignments; a line that is used once stands where it is used, if there is room.
    set of Operand
        All names that are read.
    """
    lines = writer.needed(targets.values())
    uses = Counter(operand for line in lines for operand in line.operands) + Counter(targets.values())
    inline: dict[str, tuple[str, bool]] = {}
    statements = []
    for line in lines:
        text = line.expression(inline)
        if uses[line.name] == 1 and len(text) <= LONGEST:
            inline[line.name] = text, line.bare
        else:
            statements.append(Statement(f"{line.name} = {text}", line.origin))
    for target, value in targets.items():
        if target.endswith("+=") and not isinstance(value, str) and value == 0.0:
            continue
        statements.append(Statement(f"{target} {inline[value][0] if value in inline else text_of(value)}", ""))
    return tuple(statements), set(uses)
