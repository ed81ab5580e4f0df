"""Scaffolding: what can be derived for certain of an operator that has no mapping, written into a checkout of the repository.

That is the mapping's function with the operator's signature and its registration, on demand an op class with lowerings, and the layer as a
fixture. What cannot be derived raises an error that says so, until it is written.
"""

from nchw2nhwc.debug.scaffold.write import Plan, Scaffold, Step, plan, write

__all__ = ["Plan", "Scaffold", "Step", "plan", "write"]
