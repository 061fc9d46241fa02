"""Make the picture of the README: ``python doc/images/make_reliability.py``."""

from pathlib import Path

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skuq import CalibratedModel, ReliabilityDisplay


def main():
    """Draw the reliability of a digits classifier before and after calibration."""
    X, y = load_digits(return_X_y=True)
    X_train, X, y_train, y = train_test_split(
        X, y, train_size=143, stratify=y, random_state=0
    )
    X_val, X_test, y_val, y_test = train_test_split(
        X, y, test_size=0.6, stratify=y, random_state=0
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e6, max_iter=1000))
    model.fit(X_train, y_train)
    calibrated = CalibratedModel(model).fit(X_val, y_val)
    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    pairs = {"before": model, "after": calibrated}
    for ax, (name, classifier) in zip(
        figure.subplots(1, 2), pairs.items(), strict=True
    ):
        ReliabilityDisplay.from_estimator(classifier, X_test, y_test, name=name, ax=ax)
        ax.set_title(f"{name} calibration")
    figure.savefig(Path(__file__).with_name("reliability.png"), dpi=90)


if __name__ == "__main__":
    main()
