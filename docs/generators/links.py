"""Checks the links of a built site: every one has to lead to a file of the site, and its fragment to an element of that page.

    python -m docs.generators.links SITE

Prints what leads nowhere; the exit status is 1 then. Links to other sites are only checked for being https. What a browser loads by itself
(scripts, styles, pictures) has to be part of the site, which is to work offline.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html


@cache
def _page(path: Path) -> html.HtmlElement:
    return html.fromstring(path.read_bytes())


@cache
def _anchors(path: Path) -> frozenset[str]:
    """What a fragment can name in a page."""
    return frozenset(str(name) for name in _page(path).xpath("//@id | //a/@name"))


def problems(site: Path) -> Iterator[str]:
    """A line for each link that leads nowhere."""
    for path in sorted(site.rglob("*.html")):
        page = _page(path)
        clicked, loaded = ({str(target) for target in page.xpath(query)} for query in ("//a/@href", "//*[not(self::a)]/@href | //@src"))
        for target in sorted(clicked | loaded):
            if not _leads_somewhere(path, target, site, elsewhere=target not in loaded):
                yield f"{path.relative_to(site)}: {target}"


def _leads_somewhere(path: Path, target: str, site: Path, *, elsewhere: bool) -> bool:
    parts = urlsplit(target)
    if parts.scheme == "data":
        return True
    if parts.scheme or parts.netloc:
        return elsewhere and parts.scheme == "https"
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not file.is_file() or not file.is_relative_to(site.resolve()):
        return False
    return not parts.fragment or file.suffix != ".html" or unquote(parts.fragment) in _anchors(file)


def main() -> int:
    """Check the site that the command line names."""
    site = Path(sys.argv[1]).resolve()
    found = list(problems(site))
    pages = len(list(site.rglob("*.html")))
    print(*found, f"{len(found)} broken links in {pages} pages", sep="\n")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
