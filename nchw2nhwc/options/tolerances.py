"""How far results may be off."""

TOLERANCE = 1e-4
"""Largest error of a float32 result, relative to the output's largest magnitude."""

TOLERANCE_FLOAT16 = 1e-2
"""The same for a float16 result or source: weights keep 11 significant bits, each is off by up to 5e-4, and errors add up over layers."""

TOLERANCE_QUANTIZED = 0.1
"""The same for a quantized result, in `openvino2tf check`: a result in other hands than a conversion's, which measures SQNR instead."""

TOLERANCE_INSIDE_QUANTIZED = 5e-2
"""The same for tensors inside of a quantized network, in which a step is 1/256 of a range, or twice that of the largest magnitude."""

MIN_SQNR = 30.0
"""Decibels of signal over noise that a result of a quantized source has at least. Runtimes round halves, and sums just below them, to
different steps, and every network spreads that; in ONNX Runtime a ResNet-18 is 39 dB apart from itself without optimisations."""
