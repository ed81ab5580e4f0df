"""What a mode is to ai-edge-quantizer: a recipe, a list of rules of which the last that fits an operator counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.options.quantize import QuantizeOptions, is_recipe

Rule: TypeAlias = dict[str, object]
Recipe: TypeAlias = list[Rule]

SMALLEST = 1024
"""Weights with fewer elements stay float32 where activations do: they save nothing, and TensorFlow's converter leaves them too."""
BODY = "body "
"""What names of tensors in bodies of control flow begin with while the quantizer works: they have to keep float32 outside."""
_ALL, _EVERY = ".*", "*"
_ALGORITHMS = {"minmax": "min_max_uniform_quantize", "mse": "MSE", "octav": "OCTAV"}
_WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE")
_PRODUCT = "BATCH_MATMUL"
_HESSIANS = ("GPTQ", "OSCAR")
_ONE = "TENSORWISE"


def recipe_of(mode: str, options: QuantizeOptions, kept: Iterable[str] = (), finer: Collection[str] = (),
              constant_left: Iterable[str] = ()) -> Recipe:
    """The recipe of a mode. The operators that make the tensors called `kept` stay float32, those that make `finer` get int16 activations.
    Those that make `constant_left`, products with a constant matrix from the left, compute in float32 with its integers where they would
    not beside int8. Raises OptionError for a recipe of the user's that cannot be read."""
    if is_recipe(mode):
        rules = with_one_scale(read_recipe(Path(mode)))
    else:
        rules = _RULES[mode](options)
        if mode in _BODIES:
            rules += [_none(f"^(?:{BODY})"), *_rules(options, _BODIES[mode](options), f"^{BODY}")]
    for name in finer:
        rules += _static_rules(16, options, exactly(name))
    rules += [_rule(exactly(name), _PRODUCT, _ALGORITHMS["minmax"], _weight_only(8, options)) for name in constant_left
              if mode in ("dynamic", "int16x8") or name in finer or (mode in _BODIES and name.startswith(BODY))]
    return rules + kept_in_float(kept) + [_none(_ALL, operation) for operation in ("INPUT", "OUTPUT")]


def kept_in_float(names: Iterable[str]) -> Recipe:
    """Rules for the operators that make these tensors."""
    return [_none(exactly(name)) for name in names]


def with_one_scale(recipe: Recipe) -> Recipe:
    """A recipe in which constant operands of matrix products have one scale where these compute in integers: kernels know no more, and make
    something else of those with a scale for each channel."""
    found: Recipe = []
    for rule in recipe:
        config = _config(rule)
        weights = config.get("weight_tensor_config")
        several = isinstance(weights, Mapping) and "activation_tensor_config" in config and weights.get("granularity") != _ONE
        if not several or not isinstance(weights, Mapping) or rule["operation"] not in (_EVERY, _PRODUCT):
            found.append(rule)
            continue
        single: Rule = {**rule, "operation": _PRODUCT, "op_config": {**config, "weight_tensor_config": {**weights, "granularity": _ONE}}}
        found += [] if rule["operation"] == _PRODUCT else [rule]
        found += [single] if rule["operation"] == _PRODUCT or _takes_products(str(rule["algorithm_key"])) else []
    return found


def _takes_products(algorithm: str) -> bool:
    """Whether an algorithm is one for matrix products, too."""
    from ai_edge_quantizer import algorithm_manager, qtyping

    return bool(algorithm_manager.is_op_registered(algorithm, qtyping.TFLOperationName.BATCH_MATMUL))


def exactly(name: str) -> str:
    """A regular expression for the scopes that hold this tensor: names of an operator's results, each with a semicolon behind it."""
    return f"(^|;){re.escape(name)}(;|$)"


def needs_samples(recipe: Recipe) -> bool:
    """Whether a recipe needs the ranges of activations, or more."""
    return any(needs_hessian([rule]) or "activation_tensor_config" in _config(rule) for rule in recipe)


def needs_hessian(recipe: Recipe) -> bool:
    """Whether a recipe needs more than ranges of activations."""
    return any(str(rule.get("algorithm_key")) in _HESSIANS for rule in recipe)


def _config(rule: Rule) -> Mapping[str, object]:
    config = rule.get("op_config")
    return config if isinstance(config, Mapping) else {}


# ---- the modes ---------------------------------------------------------------------------------------------------------
def _static(bits: int, options: QuantizeOptions) -> dict[str, object]:
    return {"activation_tensor_config": {"num_bits": bits, "symmetric": bits == 16, "granularity": _ONE, "dtype": "INT"},
            "weight_tensor_config": _weights(8, options), "compute_precision": "INTEGER", "explicit_dequantize": False,
            "skip_checks": False, "min_weight_elements": 0}


def _weight_only(bits: int, options: QuantizeOptions) -> dict[str, object]:
    return {"weight_tensor_config": _weights(bits, options), "compute_precision": "FLOAT", "explicit_dequantize": True,
            "skip_checks": False, "min_weight_elements": SMALLEST}


def _dynamic(options: QuantizeOptions) -> dict[str, object]:
    return {**_weight_only(8, options), "compute_precision": "INTEGER", "explicit_dequantize": False}


def _weights(bits: int, options: QuantizeOptions) -> dict[str, object]:
    return {"num_bits": bits, "symmetric": True, "granularity": _ONE if options.per_tensor else "CHANNELWISE", "dtype": "INT"}


def _rules(options: QuantizeOptions, config: dict[str, object], scope: str = _ALL, operations: Sequence[str] = ()) -> Recipe:
    """A configuration for some operators (default: all that can have it), with the method that was asked for where there are weights."""
    rules = [_rule(scope, operation, _ALGORITHMS["minmax"], config) for operation in operations or (_EVERY,)]
    if options.weights != "minmax":
        rules += [_rule(scope, operation, _ALGORITHMS[options.weights], config) for operation in operations or _WEIGHTED]
    return rules


def _static_rules(bits: int, options: QuantizeOptions, scope: str = _ALL) -> Recipe:
    """Integers throughout. The kernels of matrix products know one scale for a constant operand."""
    single = _static(bits, replace(options, per_tensor=True))
    return [*_rules(options, _static(bits, options), scope), _rule(scope, _PRODUCT, _ALGORITHMS["minmax"], single)]


_RULES: Mapping[str, Callable[[QuantizeOptions], Recipe]] = {
    # XNNPACK has no kernel for depthwise convolutions that quantizes while it runs, and the built-in one takes several times as long as
    # float32's, with weights that are made float32 again when the file is loaded.
    "dynamic": lambda options: [*_rules(options, _dynamic(options)),
                                *_rules(options, _weight_only(8, options), operations=("DEPTHWISE_CONV_2D",))],
    "int8": lambda options: _static_rules(8, options),
    "int8-full": lambda options: _static_rules(8, options),
    "int16x8": lambda options: _static_rules(16, options),
    "weight8": lambda options: _rules(options, _weight_only(8, options)),
    # Operators that take no 4-bit weights keep the first rule. A scope has one rule for all operators, so it is spelled in two ways.
    "weight4": lambda options: [_rule("", _EVERY, _ALGORITHMS["minmax"], _weight_only(8, options)),
                                _rule(_ALL, _EVERY, _ALGORITHMS["minmax"], _weight_only(4, options))],
}


_BODIES: Mapping[str, Callable[[QuantizeOptions], dict[str, object]]] = {
    "int8": _dynamic, "int8-full": _dynamic, "int16x8": lambda options: _weight_only(8, options)}
"""What operators in bodies of control flow get, whose inputs and outputs have the types of the operator that calls them."""


def _rule(scope: str, operation: str, algorithm: str, config: dict[str, object]) -> Rule:
    return {"regex": scope, "operation": operation, "algorithm_key": algorithm, "op_config": config}


def _none(scope: str, operation: str = _EVERY) -> Rule:
    return _rule(scope, operation, "no_quantize", {})


def read_recipe(path: Path) -> Recipe:
    """A recipe of the user's. Raises OptionError for a file that is none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise OptionError(f"cannot read the recipe '{path}': {error.strerror or error}") from None
    except ValueError as error:
        raise OptionError(f"the recipe is no JSON: {error}", Location(path.name)) from None
    wanted = {"regex", "operation", "algorithm_key", "op_config"}
    if not isinstance(content, Sequence) or not all(isinstance(rule, Mapping) and wanted <= rule.keys() for rule in content):
        raise OptionError(f"a recipe is a list of rules, each with {', '.join(sorted(wanted))}", Location(path.name),
                          "ai-edge-quantizer documents them; Quantizer.get_quantization_recipe() returns one.")
    return [dict(rule) for rule in content]
