"""Quantization of TFLite files with ai-edge-quantizer (the `quantize` extra), and what it costs in accuracy.

`data` and `images` read calibration samples, `recipes` says what a mode is to the quantizer, `ranges` and `clipping` find what scales are
made of, `coarse` what stays in float, `engine` runs the quantizer, `rounding` improves its weights, `islands`, `interface` and `flatfile`
make its file into ours, `accuracy` compares it with the source, `mixed` finds layers that have to stay in float.
"""
