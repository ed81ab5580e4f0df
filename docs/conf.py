"""How the documentation is built: `sphinx-build -W -n -b html docs SITE`, from the root of the repository. No network is used."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import nchw2nhwc
from docs.generators import expand, sphinx_pictures

project, author, copyright = "nchw2nhwc", "the nchw2nhwc authors", "the nchw2nhwc authors, Apache-2.0"
release = version = nchw2nhwc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["site", "examples", "generators", "static"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
suppress_warnings = ["myst.header"]

# Docstrings are plain text in which `x` is code; types appear as they are written in the source.
default_role = "code"
smartquotes = False
add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
nitpick_ignore_regex = [("py:.*", r"(?!nchw2nhwc\.(?!ir\.)).*")]

html_theme = "furo"
html_title = "nchw2nhwc"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["report.schema.json"]
html_show_sphinx = html_copy_source = html_show_sourcelink = False
html_theme_options = {"light_css_variables": {"font-stack": "system-ui, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"}}
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True


def _expand_page(app: object, page: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def setup(app: sphinx_pictures.Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _expand_page)
    app.add_post_transform(sphinx_pictures.InlinePictures)
