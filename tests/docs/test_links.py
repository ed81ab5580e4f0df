"""The link checker of the built site finds what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generators.links import problems

PAGE = '<html><body><h1 id="top">Page</h1><a href="{}">link</a></body></html>'


@pytest.mark.parametrize("target", ["other.html", "other.html#part", "#top", "", "picture.svg", "https://example.org/a#b", "data:,x",
                                    "other.html#a%20b"])
def test_links_that_lead_somewhere(tmp_path: Path, target: str) -> None:
    _site(tmp_path, target)
    assert list(problems(tmp_path)) == []


@pytest.mark.parametrize("target", ["missing.html", "other.html#missing", "#missing", "../outside.html", "http://example.org",
                                    "mailto:a@b"])
def test_links_that_lead_nowhere(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.html").write_text("<html></html>", encoding="utf-8")
    site = tmp_path / "site"
    site.mkdir()
    _site(site, target)
    assert list(problems(site)) == [f"page.html: {target}"]


@pytest.mark.parametrize("element", ['<script src="{}"></script>', '<img src="{}">', '<link rel="stylesheet" href="{}">'])
def test_what_is_loaded_is_part_of_the_site(tmp_path: Path, element: str) -> None:
    (tmp_path / "page.html").write_text(f"<html><body>{element.format('https://example.org/x')}</body></html>", encoding="utf-8")
    assert list(problems(tmp_path)) == ["page.html: https://example.org/x"]


def _site(folder: Path, target: str) -> None:
    (folder / "page.html").write_text(PAGE.format(target), encoding="utf-8")
    (folder / "other.html").write_text('<html><body><p id="part">a</p><p id="a b">b</p></body></html>', encoding="utf-8")
    (folder / "picture.svg").write_text("<svg/>", encoding="utf-8")
