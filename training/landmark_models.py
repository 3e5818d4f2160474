"""Reference D's light classifiers: scikit-learn on the landmark metrics, and what they look at.

It never sees pictures. Metrics are signed, positive when the PATIENT's left is weaker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import shap
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.common import TrainingError

matplotlib.use('Agg')
from matplotlib import pyplot as plt

MODELS: dict[str, Callable[[int], Any]] = {
    'logistic': lambda seed: LogisticRegression(max_iter=1000, random_state=seed),
    'forest': lambda seed: RandomForestClassifier(300, min_samples_leaf=3, random_state=seed),
    'boosting': lambda seed: GradientBoostingClassifier(random_state=seed),
}
# Two permutations a face: the bars are means over many faces, and a forest answers slowly.
_BACKGROUND, _EXPLAINED, _PERMUTATIONS = 50, 120, 2


def fit(name: str, values: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> Any:
    """Fit 'logistic', 'forest' or 'boosting' on float (n, metrics)."""
    if name not in MODELS:
        raise TrainingError(f'no landmark model {name}; known: {", ".join(MODELS)}')
    return make_pipeline(StandardScaler(), MODELS[name](seed)).fit(values, labels)


def plot_shap(model: Any, values: NDArray[np.float64], names: Sequence[str], path: Path,
              seed: int) -> None:
    """Mean |SHAP value| of each metric for the last class (Lundberg & Lee 2017), as PNG."""
    rng = np.random.default_rng(seed)
    some = values[rng.permutation(len(values))[:_EXPLAINED]]
    explain = shap.Explainer(lambda x: model.predict_proba(x)[:, -1],
                             shap.sample(values, _BACKGROUND, random_state=seed),
                             feature_names=list(names), seed=seed)
    importance = np.abs(explain(
        some, max_evals=_PERMUTATIONS * (2 * len(names) + 1), silent=True).values).mean(axis=0)
    order = np.argsort(importance)[-12:]
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.barh([names[i] for i in order], importance[order], color='#35618e')
    axes.set_xlabel('mean |SHAP value| (probability)')
    figure.tight_layout()
    temporary = path.with_name('.shap.png')
    figure.savefig(temporary, dpi=110)
    plt.close(figure)
    temporary.replace(path)
