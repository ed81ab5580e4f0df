"""Constraints for pip: of each package that the installed nchw2nhwc needs, by itself and for the named extras, the lowest release it takes.

python lowest.py [EXTRA...] > constraints.txt
"""

from __future__ import annotations

import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

for requirement in map(Requirement, requires("nchw2nhwc") or ()):
    if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in sys.argv[1:]):
        for specifier in requirement.specifier:
            if specifier.operator == ">=":
                print(f"{requirement.name}=={specifier.version}")
