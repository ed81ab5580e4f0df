"""The HTML report: one self-contained page about a conversion.

`model` collects what there is to show as plain data, `graphs` the source and the result as ops and tensors, `modules` groups ops by their
names, `layers` arranges a group in layers, `pictures` makes thumbnails, and `page` puts all of it into one file with the scripts and styles
in `static`.
"""
