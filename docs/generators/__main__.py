"""Prints a page as the site has it, with its tables: python -m docs.generators PAGE.md. With `--list` the names of all tables."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generators import TABLES, expand


def main(arguments: list[str]) -> int:
    """Print what the command line asks for."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    print("\n".join(TABLES) if arguments == ["--list"] else expand(Path(arguments[0]).read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
