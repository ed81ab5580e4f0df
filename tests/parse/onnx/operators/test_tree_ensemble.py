"""Decision trees of ai.onnx.ml against ONNX Runtime, on random trees and rows, some of whose numbers are thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import model, read, runtime, tensor

ML = "ai.onnx.ml"
FEATURES = 4
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")


@dataclass
class Trees:
    """Random trees in the older form, whose thresholds are halves; `leaves` are (tree, node)."""

    count: int
    depth: int
    modes: Sequence[str] = ("BRANCH_LEQ",)
    seed: int = 0
    attributes: dict[str, list[object]] = field(default_factory=dict)
    leaves: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")
        self.attributes = {f"nodes_{name}": [] for name in names}
        for tree in range(self.count):
            self._grow(tree, [0], 0)

    def _grow(self, tree: int, free: list[int], depth: int) -> int:
        node = free[0]
        free[0] += 1
        inner = depth < self.depth and (depth == 0 or self.rng.random() < 0.8)
        mode = str(self.rng.choice(list(self.modes))) if inner else "LEAF"
        place = len(self.attributes["nodes_nodeids"])
        split, feature, lost = int(self.rng.integers(-3, 4)) / 2, int(self.rng.integers(0, FEATURES)), int(self.rng.integers(0, 2))
        for column, value in zip(self.attributes.values(), (tree, node, feature, mode, split, 0, 0, lost)):
            column.append(value)
        if inner:
            self.attributes["nodes_truenodeids"][place] = self._grow(tree, free, depth + 1)
            self.attributes["nodes_falsenodeids"][place] = self._grow(tree, free, depth + 1)
        else:
            self.leaves.append((tree, node))
        return node

    def votes(self, kind: str, targets: Sequence[int], low: float, *, each: bool = False) -> dict[str, list[object]]:
        """Each leaf's vote for one of the targets, or `each` of them."""
        voters = [leaf for leaf in self.leaves for _ in (targets if each else (0,))]
        ids = list(targets) * len(self.leaves) if each else [int(t) for t in self.rng.choice(list(targets), len(self.leaves))]
        return {f"{kind}_treeids": [t for t, _ in voters], f"{kind}_nodeids": [n for _, n in voters], f"{kind}_ids": ids,
                f"{kind}_weights": self.rng.uniform(low, 1, len(voters)).astype(np.float32).tolist()}


def rows(seed: int = 1) -> Array:
    x = np.random.default_rng(seed).integers(-4, 5, (60, FEATURES)).astype(np.float32) / 2
    x[::7, 1] = np.nan
    return x


def source_of(op: str, outputs: Sequence[str], dtype: type = np.float32, **attributes: object) -> ModelProto:
    made = model([helper.make_node(op, ["x"], list(outputs), domain=ML, **attributes)], [tensor("x", ("N", FEATURES), dtype)], outputs,
                 domains=[ML])
    made.opset_import[-1].version = 5 if op == "TreeEnsemble" else 3
    return made


def assert_same(source: ModelProto, x: Array) -> None:
    for result, wanted in zip(run(read(source), {"x": x}).values(), runtime(source, {"x": x}), strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("modes", [("BRANCH_LEQ",), ("BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"), ("BRANCH_EQ", "BRANCH_NEQ", "BRANCH_LEQ")])
def test_regressor(modes: Sequence[str], targets: int, aggregate: str) -> None:
    trees = Trees(5, 4, modes)
    for each, base in ((True, {"base_values": [0.5] * targets}), (False, {})):
        source = source_of("TreeEnsembleRegressor", ["y"], n_targets=targets, aggregate_function=aggregate, **base, **trees.attributes,
                           **trees.votes("target", range(targets), -1, each=each))
        assert_same(source, rows())


@pytest.mark.parametrize("how", [*TRANSFORMS, "PROBIT"])
@pytest.mark.parametrize("targets", [1, 2])
def test_transforms(targets: int, how: str) -> None:
    trees = Trees(2, 3)
    source = source_of("TreeEnsembleRegressor", ["y"], n_targets=targets, post_transform=how, aggregate_function="AVERAGE",
                       **trees.attributes, **trees.votes("target", [targets - 1], 0.2))
    assert_same(source, rows())


def test_of_whole_numbers_and_lone_leaves() -> None:
    for depth in (0, 2):
        trees = Trees(3, depth)
        for dtype in (np.int64, np.float64):
            source = source_of("TreeEnsembleClassifier", ["label", "scores"], dtype, classlabels_int64s=[0, 1, 2], **trees.attributes,
                               **trees.votes("class", range(3), 0))
            assert_same(source, np.nan_to_num(rows()).astype(dtype))


@pytest.mark.parametrize("how", TRANSFORMS)
@pytest.mark.parametrize(("labels", "voted", "low", "base"), [
    ([4, 9], [0], 0, []), ([4, 9], [0], -1, []), ([4, 9], [0], -1, [0.25]), ([4, 9], [1], 0, []), ([4, 9], [1], -1, []),
    ([4, 9, 2], [0, 1, 2], 0, []), ([4, 9, 2], [0, 1, 2], -1, [0.1, 0.2, 0.3])])
def test_classifier(labels: list[int], voted: list[int], low: float, base: list[float], how: str) -> None:
    trees = Trees(4, 3, seed=2)
    source = source_of("TreeEnsembleClassifier", ["label", "scores"], classlabels_int64s=labels, post_transform=how,
                       **({"base_values": base} if base else {}), **trees.attributes, **trees.votes("class", voted, low))
    assert_same(source, rows())


def test_classifier_without_labels() -> None:
    """Names of classes are no numbers; scores do not need them."""
    trees = Trees(3, 3)
    for names in (["a", "b", "c"], ["a", "b"]):
        source = source_of("TreeEnsembleClassifier", ["label", "scores"], classlabels_strings=names, **trees.attributes,
                           **trees.votes("class", range(len(names)), 0, each=True))
        with pytest.raises(UnsupportedError, match="labels that are strings"):
            read(source)
        del source.graph.output[0]
        assert_same(source, rows())


def ensemble(**changed: object) -> ModelProto:
    """The newer form: two trees, of which the first has a node that compares with a set, and the second is one leaf."""
    attributes: dict[str, object] = {
        "n_targets": 2, "tree_roots": [0, 3], "nodes_featureids": [0, 1, 2, 0], "nodes_trueleafs": [0, 1, 1, 1],
        "nodes_truenodeids": [1, 0, 2, 4], "nodes_falseleafs": [0, 1, 1, 1], "nodes_falsenodeids": [2, 1, 3, 4],
        "nodes_missing_value_tracks_true": [0, 1, 0, 0], "leaf_targetids": [0, 1, 0, 1, 1],
        "nodes_modes": np.array([0, 6, 3, 0], np.uint8), "nodes_splits": np.array([0.5, 0, -0.5, 0], np.float32),
        "leaf_weights": np.array([1, 2, 3, 4, 0.5], np.float32), "membership_values": np.array([1, -1, 2, np.nan], np.float32), **changed}
    return source_of("TreeEnsemble", ["y"], **{name: numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
                                               for name, value in attributes.items() if value is not None})


@pytest.mark.parametrize("changed", [{}, {"aggregate_function": 0}, {"aggregate_function": 2}, {"post_transform": 3}], ids=str)
def test_ensemble(changed: dict[str, object]) -> None:
    """Of whole numbers: ONNX Runtime rounds what is looked for in a set."""
    assert_same(ensemble(**changed), rows() * 2)


@pytest.mark.parametrize(("changed", "match"), [
    ({"tree_roots": [9]}, "do not exist"), ({"leaf_targetids": [0, 1, 0, 5, 1]}, "do not exist"),
    ({"leaf_targetids": [0]}, "differ in length"), ({"membership_values": None}, "0 sets"),
    ({"post_transform": 7}, "post_transform 7"), ({"nodes_featureids": [0, 1, 9, 0]}, "feature 9"),
    ({"nodes_falseleafs": [0, 0, 1, 1], "nodes_falsenodeids": [2, 0, 3, 4]}, "circle")])
def test_what_is_damaged(changed: dict[str, object], match: str) -> None:
    with pytest.raises(SourceError, match=match):
        read(ensemble(**changed))


def test_what_is_disputed() -> None:
    trees = Trees(2, 2)
    for each, outputs in ((True, ["label", "scores"]), (False, ["label", "scores"]), (False, ["label"])):
        both = source_of("TreeEnsembleClassifier", outputs, classlabels_int64s=[0, 1], **trees.attributes,
                         **trees.votes("class", [0, 1], 0, each=each))
        with pytest.raises(UnsupportedError, match="both of two classes"):
            read(both)
    for number in (1, 2):
        with pytest.raises(UnsupportedError, match=f"post_transform {number}"):
            read(ensemble(post_transform=number))


def test_what_contradicts_itself() -> None:
    trees = Trees(2, 2)
    votes = trees.votes("class", [0, 1], 0)
    for changed, match in (({"class_ids": [7] * len(trees.leaves)}, "do not exist"), ({"nodes_modes": ["BRANCH_X"]}, "differ in length"),
                           ({"nodes_truenodeids": [99] * len(trees.attributes["nodes_modes"])}, "do not exist"),
                           ({"post_transform": "NORM"}, "'NORM'"), ({"base_values": [1.0] * 5}, "5 base_values")):
        attributes = {"classlabels_int64s": [0, 1, 2], **trees.attributes, **votes, **changed}
        with pytest.raises(SourceError, match=match):
            read(source_of("TreeEnsembleClassifier", ["label"], **attributes))
