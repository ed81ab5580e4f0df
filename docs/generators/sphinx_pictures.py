"""SVG pictures as part of the page, so that they take its colours, can be read aloud and are sharp at every size."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

__all__ = ["InlinePictures", "Sphinx"]


class InlinePictures(SphinxPostTransform):
    """Puts the content of .svg files in the place of the images that name them."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir) / image["uri"]
            if path.suffix == ".svg" and path.is_file():
                content = path.read_text(encoding="utf-8")
                image.replace_self(nodes.raw("", f'<div class="picture">{content}</div>', format="html"))
