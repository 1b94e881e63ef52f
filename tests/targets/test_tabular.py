"""scikit-learn's MLP as a target whose parts are features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from innerview.errors import BundleError, DataError
from innerview.targets import Case, check_target
from innerview.targets.tabular import Features, save_mlp

pytest.importorskip("sklearn")
pytest.importorskip("onnxscript")

NAMES = ("height", "weight", "age")


def _rows(n: int = 120) -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(n, 3)) * [10.0, 5.0, 2.0] + [170.0, 70.0, 40.0]


def _trained(rows: npt.NDArray[np.float64], features: Features, n_classes: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    right = np.digitize(features.seen(rows)[:, 0], [0.0, 0.8][: n_classes - 1])
    return MLPClassifier((8, 6), max_iter=60, random_state=0).fit(features.seen(rows), right)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classes", [("short", "tall"), ("short", "middling", "tall")])
def test_scores_are_the_classifiers_and_what_is_removed_is_averaged_over_the_background(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    rows = _rows()
    features = Features.cut(rows, NAMES)
    classifier = _trained(rows, features, len(classes))
    target = save_mlp(
        tmp_path / "mlp", classifier, features, rows, classes=classes, n_background=10, seed=3
    )
    cases = [Case(*own) for own in features.cases(rows).items()]
    scores = target.score(cases).astype(np.float64)
    wanted = classifier.predict_proba(features.seen(rows))
    np.testing.assert_allclose(softmax(scores, axis=1), wanted, atol=1e-5)

    # One feature removed, worked out row by row: the mean score with each background row's value.
    case, seen = cases[0], features.seen(rows)
    without = case.without([part for part in case.parts if part.startswith("weight=")])
    background = seen[np.random.default_rng(3).permutation(len(rows))[:10]]
    filled = np.tile(seen[0], (10, 1))
    filled[:, 1] = background[:, 1]
    odds = np.log(classifier.predict_proba(filled))
    own = target.score([without])[0].astype(np.float64)
    np.testing.assert_allclose(own - own.mean(), odds.mean(axis=0) - odds.mean(), atol=1e-4)
    assert target.manifest is not None
    assert "mean score over 10 training rows" in str(target.manifest.settings["baseline"])
    assert not target.capabilities.excludes_parts
    assert check_target(target, cases).findings == ()


def test_parts_are_features_with_the_values_that_the_classifier_sees() -> None:
    rows = _rows()
    features = Features.cut(rows, NAMES, n_values=4)
    catalogue = features.catalogue
    assert len(catalogue) == 12 and catalogue.noun == "feature"
    assert catalogue.domain.name == "classifier"
    lowest = rows[:, 0] < np.quantile(rows[:, 0], 0.25)
    assert catalogue.title("height=0") == f"height {rows[lowest, 0].mean():.4g}"
    assert catalogue.values("height=0", "level") == ("low",)
    assert catalogue.values("height=3", "level") == ("high",)
    cases = features.cases(rows)
    assert all(sorted(p.split("=")[0] for p in own) == sorted(NAMES) for own in cases.values())
    assert len({tuple(p.split("=")[0] for p in own) for own in cases.values()}) > 1
    values, told = features.tables()
    seen = features.seen(rows)
    for number in (0, 7):
        at = [1 + row for row in catalogue.rows(cases[str(number)])]
        np.testing.assert_allclose(values[at].sum(axis=0), seen[number], atol=1e-6)
        np.testing.assert_array_equal(told[at].sum(axis=0), 1.0)
    np.testing.assert_allclose(seen.mean(axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "names", "fault"),
    [
        (np.ones((4, 2)), ("a", "b"), "feature 'a' hardly varies; leave it out"),
        (np.array([[1.0, np.nan], [2.0, 1.0]]), ("a", "b"), "feature 'b' has values that are miss"),
        (np.ones((4, 3)), ("a", "b"), r"rows are \(4, 3\); expected one column for 2 names"),
    ],
)
def test_tables_that_cannot_be_cut_are_refused_in_one_line(
    rows: npt.NDArray[np.float64], names: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(DataError, match=fault):
        Features.cut(rows, names)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_classifier_of_other_features_is_refused(tmp_path: Path) -> None:
    rows = _rows()
    features = Features.cut(rows, NAMES)
    classifier = _trained(rows, features, 2)
    other = Features.cut(_rows() * 2.0 + 1.0, NAMES, n_values=3)
    with pytest.raises(BundleError, match="probabilities differ from the classifier's"):
        save_mlp(tmp_path / "mlp", _shifted(classifier), features, rows, classes=("short", "tall"))
    with pytest.raises(BundleError, match="expected a trained MLPClassifier of 3 features"):
        save_mlp(tmp_path / "mlp", object(), other, rows, classes=("short", "tall"))


def _shifted(classifier: Any) -> Any:
    """One that answers otherwise than its weights say."""

    class Shifted:
        coefs_, intercepts_ = classifier.coefs_, classifier.intercepts_
        activation = classifier.activation

        def predict_proba(self, seen: npt.NDArray[np.float64]) -> Any:
            return classifier.predict_proba(seen + 1.0)

    return Shifted()
