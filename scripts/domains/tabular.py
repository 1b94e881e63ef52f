"""Explain a classifier of tables: is a lump benign, by ten measurements of its cells' nuclei?

    python scripts/domains/tabular.py runs/tabular

The data come with scikit-learn (Breast Cancer Wisconsin, 569 rows; the worst value of each of ten
measurements). The target is scikit-learn's MLPClassifier; see ``innerview.targets.tabular``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from whole import Made, main

from innerview.data.splits import split_ids
from innerview.targets.tabular import Features, save_mlp

N_TEST = 150


def make(target: Path, seed: int) -> Made:
    """Train the classifier on rows that are not tested on, and write it as a bundle."""
    data = load_breast_cancer()
    wanted = [i for i, name in enumerate(data.feature_names) if name.startswith("worst ")]
    rows = data.data[:, wanted]
    names = [str(data.feature_names[i]).removeprefix("worst ") for i in wanted]
    # The very split that the run will make of its cases.
    split = split_ids(sorted(map(str, range(len(rows)))), n_valid=56, n_test=N_TEST, seed=seed)
    train = np.array(sorted(map(int, split.train)))
    test = np.array(sorted(map(int, split.test)))
    features = Features.cut(rows[train], names)
    classifier = MLPClassifier((24,), alpha=1e-2, max_iter=2000, random_state=seed)
    classifier.fit(features.seen(rows[train]), data.target[train])
    report = {"accuracy": float(classifier.score(features.seen(rows[test]), data.target[test]))}
    classes = [str(name) for name in data.target_names]
    save_mlp(
        target, classifier, features, rows[train],
        classes=classes, noun="diagnosis", seed=seed, report=report, overwrite=True,
    )  # fmt: skip
    right = Counter(f"class={classes[own]}" for own in data.target[train])
    return Made(features.cases(rows, seed=seed), dict(right), N_TEST, report)


if __name__ == "__main__":
    main(make)
