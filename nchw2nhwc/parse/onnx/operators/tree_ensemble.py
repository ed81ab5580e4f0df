"""Ensembles of decision trees of ai.onnx.ml."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.onnx.scores import ML, TRANSFORMS, best, better, numbers_of, of_two, rows_of, transformed
from nchw2nhwc.parse.trees import MODES, Forest, leaves, votes

_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
"""How the votes for a target are put together, by ONNX's numbers."""


def _same_length(b: LayerBuilder, **columns: Sized | None) -> int:
    """The length of columns of one table, of which some may be absent."""
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        raise b.damaged("attributes differ in length: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


# ---- since version 5 -------------------------------------------------------------------------------------------------
@onnx_op("TreeEnsemble", 5, domain=ML)
def tree_ensemble(b: LayerBuilder, x: Value, *, aggregate_function: int = 1, leaf_targetids: Ints, leaf_weights: Array,
                  membership_values: Array | None = None, n_targets: int | None = None, nodes_falseleafs: Ints, nodes_falsenodeids: Ints,
                  nodes_featureids: Ints, nodes_hitrates: Array | None = None, nodes_missing_value_tracks_true: Ints | None = None,
                  nodes_modes: Array, nodes_splits: Array, nodes_trueleafs: Ints, nodes_truenodeids: Ints, post_transform: int = 0,
                  tree_roots: Ints) -> Value:
    """The votes of the leaves that a row comes to in each tree, put together by target."""
    count = _same_length(b, nodes_featureids=nodes_featureids, nodes_modes=nodes_modes, nodes_splits=nodes_splits,
                         nodes_trueleafs=nodes_trueleafs, nodes_truenodeids=nodes_truenodeids, nodes_falseleafs=nodes_falseleafs,
                         nodes_falsenodeids=nodes_falsenodeids, nodes_missing_value_tracks_true=nodes_missing_value_tracks_true)
    ends = _same_length(b, leaf_targetids=leaf_targetids, leaf_weights=leaf_weights)
    targets = max(leaf_targetids, default=-1) + 1 if n_targets is None else n_targets
    modes = [int(mode) for mode in nodes_modes]
    children = [*zip(nodes_trueleafs, nodes_truenodeids), *zip(nodes_falseleafs, nodes_falsenodeids)]
    numbers = [(tree_roots, count), (leaf_targetids, targets), (modes, len(MODES)), ([k for leaf, k in children if leaf], ends),
               ([k for leaf, k in children if not leaf], count)]
    if not tree_roots or not ends or not all(0 <= k < limit for column, limit in numbers for k in column):
        raise b.damaged("there are nodes, leaves, targets or modes that do not exist")
    if not 0 <= aggregate_function < len(_AGGREGATES) or not 0 <= post_transform < len(TRANSFORMS):
        raise b.damaged(f"there is no aggregate_function {aggregate_function} or post_transform {post_transform}")
    if post_transform in (1, 2) and targets > 1:
        raise UnsupportedError(f"post_transform {post_transform} of several targets is not supported", b.where,
                               "It is SOFTMAX or LOGISTIC to the standard, and the other one to ONNX Runtime: have an operator of its own.")
    forest = Forest(list(tree_roots))
    for mode, feature, split, missing in zip(modes, nodes_featureids, nodes_splits, nodes_missing_value_tracks_true or (0,) * count):
        forest.node(MODES[mode], feature, float(split), bool(missing))
    first = min(forest.leaf() for _ in range(ends))
    forest.yes[:count] = [first + k if leaf else k for leaf, k in zip(nodes_trueleafs, nodes_truenodeids)]
    forest.no[:count] = [first + k if leaf else k for leaf, k in zip(nodes_falseleafs, nodes_falsenodeids)]
    _add_members(b, forest, [k for k, mode in enumerate(modes) if MODES[mode] == "MEMBER"], membership_values)
    rows = rows_of(b, x)
    b.require_room(len(forest.modes) * targets)
    weights, present = np.zeros((len(forest.modes), targets), rows.dtype), np.zeros((len(forest.modes), targets), bool)
    place = first + np.arange(ends), np.asarray(leaf_targetids)
    weights[place], present[place] = leaf_weights, True
    found = votes(forest, leaves(forest, rows), weights, present, _AGGREGATES[aggregate_function])
    return transformed(b, found, TRANSFORMS[post_transform]).value


def _add_members(b: LayerBuilder, forest: Forest, nodes: Sequence[int], values: Array | None) -> None:
    """The numbers that each of these nodes compares with, in their order, each group ended by NaN."""
    given = np.zeros(0) if values is None else values
    ends = np.flatnonzero(np.isnan(given))
    groups = [given[start:end].tolist() for start, end in zip((0, *ends + 1), ends)]
    if len(groups) != len(nodes) or not all(groups):
        raise b.damaged(f"{len(groups)} sets in membership_values for {len(nodes)} nodes that compare with one")
    for node, group in zip(nodes, groups):
        forest.members(node, group)


# ---- until version 5 -------------------------------------------------------------------------------------------------
def _forest(b: LayerBuilder, trees: Ints, nodes: Ints, features: Ints, modes: Strings, splits: Sequence[float], yes: Ints, no: Ints,
            missing: Ints | None) -> tuple[Forest, dict[tuple[int, int], int]]:
    """Trees whose nodes are numbered within each, and the number here of every one; the first of a tree is its root."""
    count = _same_length(b, nodes_treeids=trees, nodes_nodeids=nodes, nodes_featureids=features, nodes_modes=modes, nodes_values=splits,
                         nodes_truenodeids=yes, nodes_falsenodeids=no, nodes_missing_value_tracks_true=missing or None)
    where = {key: k for k, key in enumerate(zip(trees, nodes))}
    forest = Forest([trees.index(tree) for tree in dict.fromkeys(trees)])
    kinds = ["" if mode == "LEAF" else mode.removeprefix("BRANCH_") for mode in modes]
    if not count or len(where) < count or not {*kinds} <= {"", *MODES[:-1]}:
        raise b.damaged("a tree has a node twice, or one of an unknown mode, or there is none")
    for mode, feature, split, lost in zip(kinds, features, splits, missing or (0,) * count):
        forest.node(mode, feature if mode else 0, float(split), bool(lost and mode))
    for k, (tree, mode) in enumerate(zip(trees, kinds)):
        if mode:
            if (tree, yes[k]) not in where or (tree, no[k]) not in where:
                raise b.damaged(f"node {nodes[k]} of tree {tree} leads to nodes that do not exist")
            forest.yes[k], forest.no[k] = where[tree, yes[k]], where[tree, no[k]]
    return forest, where


def _weights(b: LayerBuilder, where: dict[tuple[int, int], int], trees: Ints, nodes: Ints, ids: Ints, weights: Sequence[float],
             count: int) -> tuple[Array, Array]:
    """The votes of all nodes (nodes, targets), and where there are any."""
    _same_length(b, treeids=trees, nodeids=nodes, ids=ids, weights=weights)
    b.require_room(len(where) * count)
    if not all(0 <= k < count for k in ids) or not where.keys() >= {*zip(trees, nodes)}:
        raise b.damaged("votes are for targets or of nodes that do not exist")
    found, present = np.zeros((len(where), count), np.float32), np.zeros((len(where), count), bool)
    for tree, node, target, weight in zip(trees, nodes, ids, weights):
        found[where[tree, node], target] += weight
        present[where[tree, node], target] = True
    return found, present


def _either(numbers: Floats, tensor: Array | None) -> Sequence[float]:
    """An attribute that is a list, or with double precision a tensor."""
    return numbers if tensor is None else tensor.ravel().tolist()


@onnx_op("TreeEnsembleRegressor", 1, 3, 5, domain=ML)
def tree_ensemble_regressor(b: LayerBuilder, x: Value, *, aggregate_function: str = "SUM", base_values: Floats = (),
                            base_values_as_tensor: Array | None = None, n_targets: int = 1, nodes_falsenodeids: Ints = (),
                            nodes_featureids: Ints = (), nodes_hitrates: Floats = (), nodes_hitrates_as_tensor: Array | None = None,
                            nodes_missing_value_tracks_true: Ints = (), nodes_modes: Strings = (), nodes_nodeids: Ints = (),
                            nodes_treeids: Ints = (), nodes_truenodeids: Ints = (), nodes_values: Floats = (),
                            nodes_values_as_tensor: Array | None = None, post_transform: str = "NONE", target_ids: Ints = (),
                            target_nodeids: Ints = (), target_treeids: Ints = (), target_weights: Floats = (),
                            target_weights_as_tensor: Array | None = None) -> Value:
    """The votes of the leaves that a row comes to in each tree, put together by target; always float32."""
    if aggregate_function not in _AGGREGATES:
        raise b.damaged(f"there is no aggregate_function '{aggregate_function}'")
    forest, where = _forest(b, nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, _either(nodes_values, nodes_values_as_tensor),
                            nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true)
    weights, present = _weights(b, where, target_treeids, target_nodeids, target_ids, _either(target_weights, target_weights_as_tensor),
                                n_targets)
    found = votes(forest, leaves(forest, rows_of(b, x)), weights, present, aggregate_function)
    base = _either(base_values, base_values_as_tensor)
    if len(base) not in (0, n_targets):
        raise b.damaged(f"{len(base)} base_values for {n_targets} targets")
    return transformed(b, found + np.asarray(base) if base else found, post_transform).value


@onnx_op("TreeEnsembleClassifier", 1, 3, 5, domain=ML)
def tree_ensemble_classifier(b: LayerBuilder, x: Value, *, base_values: Floats = (), base_values_as_tensor: Array | None = None,
                             class_ids: Ints = (), class_nodeids: Ints = (), class_treeids: Ints = (), class_weights: Floats = (),
                             class_weights_as_tensor: Array | None = None, classlabels_int64s: Ints = (),
                             classlabels_strings: Strings = (), nodes_falsenodeids: Ints = (), nodes_featureids: Ints = (),
                             nodes_hitrates: Floats = (), nodes_hitrates_as_tensor: Array | None = None,
                             nodes_missing_value_tracks_true: Ints = (), nodes_modes: Strings = (), nodes_nodeids: Ints = (),
                             nodes_treeids: Ints = (), nodes_truenodeids: Ints = (), nodes_values: Floats = (),
                             nodes_values_as_tensor: Array | None = None, post_transform: str = "NONE") -> Sequence[Value]:
    """The label of the best class and the scores of all, (rows, classes), always float32.

    With two classes and votes for one of them that is the second, and its score a probability if no vote is negative."""
    labels = numbers_of(b, classlabels_int64s, classlabels_strings)
    forest, where = _forest(b, nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, _either(nodes_values, nodes_values_as_tensor),
                            nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true)
    weights, present = _weights(b, where, class_treeids, class_nodeids, class_ids, _either(class_weights, class_weights_as_tensor),
                                len(labels))
    base = _either(base_values, base_values_as_tensor)
    scores = votes(forest, leaves(forest, rows_of(b, x)), weights, present, "SUM")
    if len(labels) == 2:
        probability, voted = min(_either(class_weights, class_weights_as_tensor)) >= 0, set(class_ids)
        threshold = 0.5 if probability else 0.0
        if voted == {0} and len(base) < 2:
            score = scores.part(1, 0, 1) + float(sum(base))
            return (better(b, score, threshold, labels).value, of_two(b, score, post_transform, probability=probability).value)
        ends = [not mode for mode in forest.modes]
        everywhere = bool(present[ends].all())
        # The second score alone decides then, as it does in ONNX Runtime, whose labels of such trees are 0 and 1 whatever they are called.
        opposite = labels == (0, 1) and not np.add(*weights[ends].T).any()
        if base or (len(voted) == 2 and ((b.wanted[0] and not opposite) or not everywhere)):
            raise UnsupportedError("votes for both of two classes, or votes for one and base_values for both, are not supported", b.where,
                                   "ONNX Runtime makes of them what the standard does not say.")
        return (better(b, scores.part(1, 1, 2), threshold, labels).value, transformed(b, scores, post_transform).value)
    if len(base) not in (0, len(labels)):
        raise b.damaged(f"{len(base)} base_values for {len(labels)} classes")
    if base:
        scores = scores + np.asarray(base)
    return best(b, scores, labels).value, transformed(b, scores, post_transform).value
