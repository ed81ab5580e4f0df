"""Names that Keras and TensorFlow take, made from the source's."""

from __future__ import annotations

import re

_INVALID = re.compile(r"[^A-Za-z0-9_.-]+")


def valid_name(name: str, kind: str) -> str:
    """`name` with everything but ASCII letters, digits, `_`, `.` and `-` replaced by `_`; led by `kind` where it would not begin with a
    letter (so a name is never a number alone)."""
    cleaned = _INVALID.sub("_", name).strip("_.-")
    return cleaned if cleaned[:1].isalpha() else f"{kind}_{cleaned}" if cleaned else kind


def short_scopes(name: str) -> str:
    """A layer's name without the scopes that the next one repeats, as in PyTorch's exports: `layer1/layer1.0/conv1` is `layer1.0/conv1`."""
    parts = name.split("/")
    return "/".join(part for part, inner in zip(parts, (*parts[1:], "")) if part != inner and not inner.startswith(f"{part}."))


class Names:
    """Valid names, each given out once. Names that differ in case only count as equal: file systems may not tell them apart."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str, kind: str) -> str:
        """`valid_name`, with a number behind it if it is taken."""
        base = wanted = valid_name(name, kind)
        while wanted.lower() in self._taken:
            self._next[base] = self._next.get(base, 0) + 1
            wanted = f"{base}_{self._next[base]}"
        self._taken.add(wanted.lower())
        return wanted
