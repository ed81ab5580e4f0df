"""What comes in: which format a model is in, what options change in it before it is read, and reading it.

`model` is what everything else knows of a source, `native` gives it as an object of its own framework. `values`, `draws` and
`openvino_draws` change the source itself, so that its runtime takes the same inputs as the result. `reading` makes the graph, `preprocess`
puts the preprocessing of inputs into it, `traits` remembers what it was like. `open_sizes` completes the advice of errors about sizes that
are not known.
"""

from nchw2nhwc.source.model import Format, Model, Source, identify

__all__ = ["Format", "Model", "Source", "identify"]
