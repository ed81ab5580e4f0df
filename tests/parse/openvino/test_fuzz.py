"""Files with random damage: each is read, or refused with one of our errors."""

from __future__ import annotations

import random
import re
import struct

import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.all_cases import FAMILIES
from tests.parse.openvino.harness import Case, model_of, saved

WORDS = (b"-1 0 1 2 3 7 1000000000000000 9223372036854775807 -9223372036854775808 a nan inf 1.5 -3 1,1 1,2,3,4,5 ? .. ... true f16 i64 i4 "
         b"u1 boolean string opset8 opset99").split() + [b"", b"9" * 23, b"x" * 300]
NUMBERS = [-1, 0, 1, 2, -5, 100, 10**6, 10**15, -2**63, 2**63 - 1]
VALUE = re.compile(rb'(?<==")[^"]*(?=")|(?<=<dim>)[^<]*(?=</dim>)')


def damaged(xml: bytes, weights: bytes, rng: random.Random) -> tuple[bytes, bytes]:
    """The files after one to three accidents."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        match rng.randrange(8):
            case 0 | 1 | 2:
                span = rng.choice([m.span() for m in VALUE.finditer(xml)])
                xml = xml[:span[0]] + rng.choice(WORDS) + xml[span[1]:]
            case 3:
                lines = xml.split(b"\n")
                a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
                xml = b"\n".join([*lines[:a], *rng.choice([[], [lines[a], lines[a]], [lines[b]]]), *lines[a + 1:]])
            case 4:
                at = rng.randrange(len(xml))
                xml = xml[:at] + bytes([rng.randrange(256)]) + xml[at + 1:]
            case 5 | 6 if len(weights) >= 8:
                at = rng.randrange(len(weights) // 8) * 8
                weights = weights[:at] + struct.pack("<q", rng.choice(NUMBERS)) + weights[at + 8:]
            case _:
                weights = weights[:rng.randrange(len(weights) + 1)]
    return xml, weights


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes]]:
    """.xml and .bin of every third case of all families, with and without declared shapes of results."""
    folder = tmp_path_factory.mktemp("sound")
    cases: list[Case] = [case for family in FAMILIES.values() for case in family][::3]
    found = []
    for case in cases:
        path = saved(model_of(case), folder)
        xml, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
        found += [(xml, weights), (re.sub(rb"<dim>[^<]*</dim>", b"", xml), weights)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(seed: int, files: list[tuple[bytes, bytes]]) -> None:
    rng = random.Random(seed)
    refused = 0
    for _ in range(1000):
        try:
            read_openvino(*damaged(*rng.choice(files), rng))
        except ConversionError as error:
            refused += bool(str(error))
    assert refused > 500
