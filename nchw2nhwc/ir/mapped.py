"""Memory of mapped source files.

Constants are views of the mapped file; every page that was read counts as this process's memory until it is given back. Giving it back
loses nothing: a later read fetches the page again.
"""

from __future__ import annotations

import mmap

from nchw2nhwc.ir.graph import Graph


def mapping_of(array: object) -> mmap.mmap | None:
    """The memory map that an array is a view of, None for one with memory of its own."""
    while array is not None:
        if isinstance(array, mmap.mmap):
            return array
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return None


def release_pages(graph: Graph) -> int:
    """Give back the pages of all files that constants of `graph` are views of; returns how many files.

    Does nothing where the platform has no way to say so.
    """
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None:
        return 0
    maps = {id(m): m for g in graph.graphs() for v in g.values() if v.const is not None and (m := mapping_of(v.const)) is not None}
    for mapped in maps.values():
        mapped.madvise(advice)
    return len(maps)
