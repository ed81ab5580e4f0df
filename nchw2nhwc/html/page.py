"""One HTML file out of the page's data, scripts and styles.

Nothing in it refers to anything outside: the policy in its head forbids every request, and allows only these scripts and styles, by their
hashes. The data is JSON in a block of its own, in ASCII and without `<`, so that no name in a model can end the block.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files

from nchw2nhwc.html.model import PageData

_SCRIPTS = ("dom.js", "geometry.js", "drawing.js", "graph.js", "details.js", "search.js", "chart.js", "summary.js", "main.js")
_STYLES = ("page.css", "graph.css")


def render(data: PageData) -> bytes:
    """The whole page in UTF-8."""
    script, style = f"(() => {{\n\"use strict\";\n{_text(_SCRIPTS)}}})();\n", _text(_STYLES)
    policy = (f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; "
              "form-action 'none'")
    title = html.escape(data["title"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="{html.escape(data["product"])}">
<link rel="icon" href="data:,">
<title>{title}: conversion report</title>
<style>{style}</style>
</head>
<body>
<noscript><p>This report is drawn by a script in the page; allow scripts to see it.</p></noscript>
<script type="application/json" id="data">{_json(data)}</script>
<script>{script}</script>
</body>
</html>
""".encode("utf-8", "xmlcharrefreplace")


def _text(names: tuple[str, ...]) -> str:
    folder = files("nchw2nhwc.html") / "static"
    return "".join((folder / name).read_text("utf-8") for name in names)


def _hash(content: str) -> str:
    """The hash of an inline script or style, as a content security policy gives it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _json(data: PageData) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
