"""Quantization of TFLite files with ai-edge-quantizer (the `quantize` extra), and what it costs in accuracy.

`data` and `images` read calibration samples, `recipes` says what a mode is to the quantizer, `engine` runs it, `islands`, `interface` and
`flatfile` make its file into ours, `accuracy` compares it with the source, `mixed` finds layers that have to stay in float.
"""
