"""The Python text of what is scaffolded. What cannot be known raises an error that says so, until somebody writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nchw2nhwc.debug.scaffold.operator import Attribute, Operand, Operator, Presence
from nchw2nhwc.source import Format

WIDTH = 140
"""Characters of a line."""

Package: TypeAlias = str
"""A folder of modules below the root of the repository."""

MAPPINGS = {Format.ONNX: "nchw2nhwc/parse/onnx/operators", Format.OPENVINO: "nchw2nhwc/parse/openvino"}
OPS, TFLITE, KERAS = "nchw2nhwc/ops", "nchw2nhwc/emit/tflite", "nchw2nhwc/emit/keras"

_OF_PARSER = {Format.ONNX: ("Floats", "Ints", "SparseTensor", "Strings"), Format.OPENVINO: ("Floats", "Ints")}
"""Annotations that a parser has names for."""


@dataclass(frozen=True)
class Todo:
    """A place to fill in: a text that occurs once in its file ("" for the file as a whole), and what to do there."""

    mark: str
    text: str


@dataclass(frozen=True)
class Module:
    """A file to write, where its package registers it (`registry`, under `name`; "" where the package finds it), and what is left to do in
    it."""

    path: str
    code: str
    registry: str
    name: str
    todo: tuple[Todo, ...]


def mapping_module(operator: Operator, op_class: bool) -> Module:
    """The function that becomes the operator's mapping; with `op_class` it already adds the op of that name."""
    path = f"{MAPPINGS[operator.format]}/{operator.module}.py"
    onnx = operator.format is Format.ONNX
    names = {name for a in operator.attributes for name in _OF_PARSER[operator.format] if name == a.annotation}
    types = {a.annotation for a in operator.attributes if a.annotation in ("Array", "DType")}
    imports = [_import("nchw2nhwc.errors", [] if op_class else ["UnsupportedError"])]
    imports += [_import("nchw2nhwc.ir.graph", ["Value"]), _import("nchw2nhwc.ir.types", types)] if onnx else [
        _import("nchw2nhwc.ir", {*types, "Value"})]
    if op_class:
        imports.append(_import(f"nchw2nhwc.ops.{operator.module}", [operator.type]))
    if onnx:
        imports.append(_import("nchw2nhwc.parse.onnx.registry", {*names, "LayerBuilder", "onnx_op"}))
        decorator = f'@onnx_op("{operator.type}", {operator.version}' + (f', domain="{operator.domain}")' if operator.domain else ")")
        result, builder = "Value" if operator.results == 1 else "Sequence[Value]", "LayerBuilder"
    else:
        imports += [_import("nchw2nhwc.parse.builder", ["Builder"]), _import("nchw2nhwc.parse.openvino.attributes", names),
                    _import("nchw2nhwc.parse.openvino.registry", ["Results", "mapping"])]
        decorator, result, builder = f'@mapping("{operator.type}", {operator.version})', "Results", "Builder"
    if onnx and operator.results != 1:
        imports.insert(0, "from collections.abc import Sequence\n")
    parameters = [f"b: {builder}", *_operands(operator.operands, "Value"), *_attributes(operator.attributes)]
    if op_class:
        body = f"return {_added(operator)}"
    else:
        body = f'raise UnsupportedError("the mapping of {operator.name} is not written yet", b.where, "Write it in {path}.")'
    title = f"{operator.name} of {operator.format.value}, as the converter's own ops." if not operator.doc else operator.doc
    code = _file(f"{operator.name} of {operator.format.value}.", imports, [decorator, *_signature(operator.module, parameters, result)],
                 _docstring(title), [body])
    returned = "return b.add1(op, x)" if operator.results == 1 else "return first, second, ..."
    todo = () if op_class else (Todo("    raise", f"the mapping, of ops that there are (docs/building-blocks.md): `{returned}`"),)
    return Module(path, code, "", operator.module, todo)


def op_module(operator: Operator) -> Module:
    """The class of an op with the operator's attributes. Operands take the place of attributes that are tensors."""
    path = f"{OPS}/{operator.module}.py"
    advice = f'"Write it in {path}."'
    inputs = [_operands(operator.operands, kind) for kind in ("TensorType", "Array")]
    results = [kind if operator.results == 1 else f"tuple[{kind}, ...]" for kind in ("TensorType", "Array")]
    methods: list[str] = []
    for name, operands, result in zip(("infer", "reference"), inputs, results):
        error = f'raise UnsupportedError("`{name}` of {operator.type} is not written yet", advice={advice})'
        methods += ["", *_signature(name, ["self", *operands], result, "    "), *_wrapped(error, 8)]
    fields = [f"    {_field(a)}" for a in operator.attributes if a.annotation not in ("Array", "SparseTensor")]
    domain = f" ({operator.domain})" if operator.domain else ""
    source = f"{operator.format.value.removesuffix(' IR')} {operator.type}-{operator.version}{domain}"
    summary = f'    """{operator.doc or f"The operator {operator.type}."} Source: {source}."""'
    ir = {"Array", "TensorType"} | {a.annotation for a in operator.attributes if a.annotation == "DType"}
    imports = ["from dataclasses import dataclass\n", _import("nchw2nhwc.errors", ["UnsupportedError"]), _import("nchw2nhwc.ir.types", ir),
               _import("nchw2nhwc.ops.base", ["Op"]), _import("nchw2nhwc.ops.rules", ["SourceOrder"])]
    body = ["@dataclass(frozen=True)", f"class {operator.type}(Op):", summary, "", *fields, "    rule = SourceOrder()", *methods]
    code = _file(f"The op {operator.type}.", imports, body, [], [])
    todo = (Todo("    rule =",
                 "the layout rule: SourceOrder() is always right, a better one may save transposes (docs/building-blocks.md)"),
            Todo("`infer` of", "`infer`: the result's type from the operands' types, ShapeError where they do not fit"),
            Todo("`reference` of", "`reference`: the op in numpy, in the source's order of axes"))
    return Module(path, code, f"{OPS}/__init__.py", operator.module, todo)


def lowering_module(operator: Operator, package: Package) -> Module:
    """The function that lowers the op of `op_module` to a target."""
    target = "TFLite" if package == TFLITE else "Keras"
    path = f"{package}/lower_{operator.module}.py"
    dotted = package.replace("/", ".")
    imports = [_import(f"{dotted}.emitter", ["Emitter"]), _import(f"{dotted}.lowering", ["lowering"]),
               _import("nchw2nhwc.errors", ["TargetError"]), _import("nchw2nhwc.ir", ["Node"]),
               _import(f"nchw2nhwc.ops.{operator.module}", [operator.type])]
    error = f'raise TargetError("the lowering of {operator.type} to {target} is not written yet", e.where, "Write it in {path}.")'
    head = [f"@lowering({operator.type})", f"def {operator.module}(e: Emitter, node: Node, op: {operator.type}) -> None:"]
    code = _file(f"The lowering of {operator.type}.", imports, head, _docstring(f"{operator.type} in {target}."), [error])
    todo = (Todo("    raise", f"the lowering to {target}; or delete this file and its line in {package}/emit.py, and decompose the op "
                 "in nchw2nhwc/passes/decompose"),)
    return Module(path, code, f"{package}/emit.py", f"lower_{operator.module}", todo)


# ---- parts of files -----------------------------------------------------------------------------------------------------
def _file(title: str, imports: Sequence[str], head: Sequence[str], docstring: Sequence[str], body: Sequence[str]) -> str:
    standard = "".join(line for line in imports if not line.startswith("from nchw2nhwc"))
    own = "".join(sorted(line for line in imports if line.startswith("from nchw2nhwc")))
    parts = [f'"""{title}"""\n', "from __future__ import annotations\n", *([standard] if standard else []), own]
    code = [*head, *(f"    {line}" for line in docstring), *(piece for line in body for piece in _wrapped(line))]
    return "\n".join([*parts, "", *code, ""])


def _import(module: str, names: Sequence[str] | set[str]) -> str:
    """An import of names, constants before classes before functions; nothing for none."""
    ordered = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    return f"from {module} import {', '.join(ordered)}\n" if ordered else ""


def _docstring(text: str) -> list[str]:
    return [f'"""{text}"""'] if text else []


def _operands(operands: Sequence[Operand], kind: str) -> list[str]:
    forms = {Presence.REQUIRED: "{}: {}", Presence.OPTIONAL: "{}: {} | None = None", Presence.MANY: "*{}: {}"}
    return [forms[o.presence].format(o.name, kind) for o in operands]


def _attributes(attributes: Sequence[Attribute]) -> list[str]:
    """Attributes as parameters that are given by name."""
    return ["*", *(a.parameter for a in attributes)] if attributes else []


def _field(attribute: Attribute) -> str:
    for short, whole in (("Ints", "tuple[int, ...]"), ("Floats", "tuple[float, ...]"), ("Strings", "tuple[str, ...]")):
        if attribute.annotation == short:
            attribute = Attribute(attribute.name, attribute.spelling, whole, attribute.default)
    return attribute.parameter


def _added(operator: Operator) -> str:
    """The expression that adds the op of the operator's name."""
    fields = ", ".join(f"{a.name}={a.name}" for a in operator.attributes if a.annotation not in ("Array", "SparseTensor"))
    operands = [f"*{o.name}" if o.presence is Presence.MANY else o.name for o in operator.operands]
    return f"b.add{'1' if operator.results == 1 else ''}({', '.join([f'{operator.type}({fields})', *operands])})"


def _signature(name: str, parameters: Sequence[str], result: str, indent: str = "") -> list[str]:
    """The first lines of a function, broken between parameters."""
    if "*" in parameters and any(p.startswith("*") and p != "*" for p in parameters):
        parameters = [p for p in parameters if p != "*"]
    return _filled(f"{indent}def {name}(", parameters, f") -> {result}:")


def _filled(start: str, parts: Sequence[str], end: str) -> list[str]:
    """`start`, the comma-separated parts and `end`, broken between parts, which begin below each other."""
    lines, line, indent = [], start, " " * len(start)
    for k, part in enumerate(parts):
        piece = part + (end if k == len(parts) - 1 else ",")
        if len(line) > len(indent) and len(f"{line} {piece}") > WIDTH:
            lines.append(line)
            line = indent
        line += piece if line in (start, indent) else f" {piece}"
    return [*lines, line]


def _wrapped(statement: str, indent: int = 4) -> list[str]:
    """A statement in a function, broken behind commas where it is too long for a line."""
    line = f"{'':{indent}}{statement}"
    if len(line) <= WIDTH:
        return [line]
    start, _, rest = line.partition("(")  # no string in what is scaffolded has a comma
    return _filled(f"{start}(", rest[:-1].split(", "), ")")
