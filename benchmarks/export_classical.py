"""Exports classical models of scikit-learn, XGBoost, LightGBM and CatBoost, fitted to drawn data: python export_classical.py DIR
[--only NAME...]

Runs in an environment of its own: `pip install scikit-learn skl2onnx onnxmltools xgboost lightgbm catboost`. Batches are open, data is
float32. A model that its library or its exporter cannot make is reported and left out. Existing files are kept. Exit status: 0 when there
is a file for every model, else 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnxmltools
import sklearn.base
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    cluster,
    compose,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

RNG = np.random.default_rng(0)
ROWS, FEATURES = 150, 5
X = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
HOLES = np.where(RNG.random(X.shape) < 0.1, np.float32(np.nan), X)
NUMBERS = RNG.integers(0, 4, (ROWS, 3)).astype(np.int64)
DIRECTIONS = RNG.normal(size=(FEATURES, 4))
TARGET = (X @ DIRECTIONS[:, 0] + 0.1 * RNG.normal(size=ROWS)).astype(np.float32)
CLASSES = {2: (TARGET > 0).astype(np.int64), 3: np.argmax(X @ DIRECTIONS[:, :3], 1), 4: np.argmax(X @ DIRECTIONS, 1) * 3 + 5}

OPSETS = {"": 18, "ai.onnx.ml": 3}
"""What all of scikit-learn's exporters can write."""

KERNELS = ("linear", "poly", "rbf", "sigmoid")
QUIET = {"verbose": False, "allow_writing_files": False}
"""CatBoost keeps a record of its training in the current folder."""
CLASSIFIERS: dict[str, Callable[[], object]] = {
    "tree": tree.DecisionTreeClassifier, "extra_trees": lambda: ensemble.ExtraTreesClassifier(20),
    "forest": lambda: ensemble.RandomForestClassifier(20), "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=20),
    "ada": lambda: ensemble.AdaBoostClassifier(n_estimators=10), "bagging": lambda: ensemble.BaggingClassifier(n_estimators=5),
    "logistic": linear_model.LogisticRegression, "ridge": linear_model.RidgeClassifier, "sgd": linear_model.SGDClassifier,
    "perceptron": linear_model.Perceptron, "gauss": naive_bayes.GaussianNB, "bernoulli": naive_bayes.BernoulliNB,
    "neighbors": neighbors.KNeighborsClassifier, "weighed_neighbors": lambda: neighbors.KNeighborsClassifier(5, weights="distance"),
    "mlp": lambda: neural_network.MLPClassifier((16, 8), max_iter=50), "linear_svc": svm.LinearSVC,
    "lda": discriminant_analysis.LinearDiscriminantAnalysis, "qda": discriminant_analysis.QuadraticDiscriminantAnalysis,
    "one_vs_rest": lambda: multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
    "one_vs_one": lambda: multiclass.OneVsOneClassifier(linear_model.LogisticRegression()),
    "stacking": lambda: ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier())]),
    "sigmoid_calibrated": lambda: calibration.CalibratedClassifierCV(linear_model.LogisticRegression()),
    "isotonic_calibrated": lambda: calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic"),
    **{f"svc_{kernel}": lambda kernel=kernel: svm.SVC(kernel=kernel) for kernel in KERNELS},
    **{f"svc_{kernel}_chances": lambda kernel=kernel: svm.SVC(kernel=kernel, probability=True) for kernel in KERNELS}}
REGRESSORS: dict[str, Callable[[], object]] = {
    "tree": tree.DecisionTreeRegressor, "forest": lambda: ensemble.RandomForestRegressor(20),
    "boosting": lambda: ensemble.GradientBoostingRegressor(n_estimators=20), "ada": lambda: ensemble.AdaBoostRegressor(n_estimators=10),
    "linear": linear_model.LinearRegression, "ridge": linear_model.Ridge, "bayes": linear_model.BayesianRidge,
    "huber": linear_model.HuberRegressor, "neighbors": neighbors.KNeighborsRegressor, "pls": cross_decomposition.PLSRegression,
    "matern": lambda: gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.Matern() + gaussian_process.kernels.WhiteKernel()),
    "voting": lambda: ensemble.VotingRegressor([("a", linear_model.LinearRegression()), ("b", tree.DecisionTreeRegressor())]),
    "stacking": lambda: ensemble.StackingRegressor([("a", linear_model.LinearRegression()), ("b", tree.DecisionTreeRegressor())]),
    **{f"svr_{kernel}": lambda kernel=kernel: svm.SVR(kernel=kernel) for kernel in KERNELS}}
TRANSFORMERS: dict[str, tuple[Callable[[], object], np.ndarray]] = {
    "pca": (lambda: decomposition.PCA(3), X), "svd": (lambda: decomposition.TruncatedSVD(3), X),
    "kernel_pca": (lambda: decomposition.KernelPCA(3, kernel="rbf"), X), "standard": (preprocessing.StandardScaler, X),
    "min_max": (lambda: preprocessing.MinMaxScaler(clip=True), X), "robust": (preprocessing.RobustScaler, X),
    "normalizer": (preprocessing.Normalizer, X), "binarizer": (preprocessing.Binarizer, X),
    "polynomial": (lambda: preprocessing.PolynomialFeatures(3), X), "power": (preprocessing.PowerTransformer, X),
    "quantiles": (lambda: preprocessing.QuantileTransformer(n_quantiles=20), X), "imputer": (impute.SimpleImputer, HOLES),
    "bins": (lambda: preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), X), "function": (preprocessing.FunctionTransformer, X),
    "one_hot": (lambda: preprocessing.OneHotEncoder(sparse_output=False), NUMBERS), "ordinal": (preprocessing.OrdinalEncoder, NUMBERS),
    "variance": (feature_selection.VarianceThreshold, X), "kmeans": (lambda: cluster.KMeans(3), X),
    "mixture": (lambda: mixture.GaussianMixture(3), X), "isolation_forest": (ensemble.IsolationForest, X),
    "outliers": (lambda: neighbors.LocalOutlierFactor(5, novelty=True), X),
    **{f"one_class_{kernel}": (lambda kernel=kernel: svm.OneClassSVM(kernel=kernel), X) for kernel in ("rbf", "sigmoid")}}
COLUMNS = [("a", preprocessing.StandardScaler(), [0, 1]), ("b", preprocessing.MinMaxScaler(), [2, 3])]
PIPELINES: dict[str, Callable[[], object]] = {
    "scaled_svc": lambda: pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVC()),
    "columns": lambda: pipeline.make_pipeline(compose.ColumnTransformer(COLUMNS), linear_model.LogisticRegression()),
    "union": lambda: pipeline.make_pipeline(pipeline.make_union(decomposition.PCA(2), preprocessing.StandardScaler()),
                                            linear_model.LogisticRegression())}

Made = Callable[[], bytes]


def _learn(model: object, x: np.ndarray, y: np.ndarray | None, **options: object) -> bytes:
    """scikit-learn's model, fitted, with scores as a tensor unless `options` say otherwise."""
    fitted = model.fit(x) if y is None else model.fit(x, y)  # type: ignore[attr-defined]
    zips = sklearn.base.is_classifier(fitted) and not isinstance(fitted, svm.LinearSVC)
    given = {id(fitted): {"zipmap": False, **options}} if zips else None
    return bytes(to_onnx(fitted, x[:1], options=given, target_opset=OPSETS).SerializeToString())


def _boosted(model: object, y: np.ndarray) -> bytes:
    """A model of XGBoost, LightGBM or CatBoost, as its users' own exporter writes it: with maps of scores, if it has classes."""
    fitted = model.fit(X, y)  # type: ignore[attr-defined]
    if isinstance(fitted, catboost.CatBoost):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            fitted.save_model(str(path), format="onnx")
            return path.read_bytes()
    export = onnxmltools.convert_xgboost if isinstance(fitted, xgboost.XGBModel) else onnxmltools.convert_lightgbm
    return bytes(export(fitted, initial_types=[("X", FloatTensorType([None, FEATURES]))]).SerializeToString())


def models() -> Iterator[tuple[str, Made]]:
    """Names, and what makes the files' contents."""
    for count, y in CLASSES.items():
        for name, make in CLASSIFIERS.items():
            yield f"{name}_{count}", lambda make=make, y=y: _learn(make(), X, y)
    for name, make in REGRESSORS.items():
        yield f"{name}_regressor", lambda make=make: _learn(make(), X, TARGET)
    for name, (make, x) in TRANSFORMERS.items():
        yield name, lambda make=make, x=x: _learn(make(), x, None)
    for name, make in PIPELINES.items():
        yield name, lambda make=make: _learn(make(), X, CLASSES[3])
    names = np.array(["one", "two", "three"])[CLASSES[3]]
    yield "maps", lambda: _learn(linear_model.LogisticRegression(), X, CLASSES[3], zipmap=True)
    yield "names", lambda: _learn(linear_model.LogisticRegression(), X, names, zipmap=True)
    yield "target", lambda: _learn(preprocessing.TargetEncoder(), NUMBERS, CLASSES[2])
    yield "several_outputs", lambda: _learn(multioutput.MultiOutputClassifier(linear_model.LogisticRegression()), X,
                                            np.stack([CLASSES[2], CLASSES[3]], 1))
    for count in (2, 3):
        for name, kind in (("xgboost", xgboost.XGBClassifier), ("lightgbm", partial(lightgbm.LGBMClassifier, verbose=-1))):
            yield f"{name}_{count}", lambda kind=kind, count=count: _boosted(kind(n_estimators=10), CLASSES[count])
        yield f"catboost_{count}", lambda count=count: _boosted(catboost.CatBoostClassifier(iterations=10, **QUIET), CLASSES[count])
    for name, kind in (("xgboost", xgboost.XGBRegressor), ("lightgbm", partial(lightgbm.LGBMRegressor, verbose=-1))):
        yield f"{name}_regressor", lambda kind=kind: _boosted(kind(n_estimators=10), TARGET)
    yield "catboost_regressor", lambda: _boosted(catboost.CatBoostRegressor(iterations=10, **QUIET), TARGET)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("export_classical.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files go")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these models")
    given = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    given.folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, make in models():
        path = given.folder / f"{name}.onnx"
        if (given.only and name not in given.only) or path.exists():
            continue
        try:
            path.write_bytes(make())
        except Exception as error:  # noqa: BLE001 - what libraries raise is theirs, so all of it is a reason
            failed += 1
            print(f"{name:28} {type(error).__name__}: {' '.join(str(error).split())[:200]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
