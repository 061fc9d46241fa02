"""
A second network learns which answers are wrong
===============================================

Naive Bayes is wrong in 142 of 797 digits below, and in 118 of these its largest
probability is above 0.99: it cannot say which.  A network that learns the probability
of the true class finds the errors with an average precision of 0.85 in place of 0.37.
"""

# %%
# An over-confident classifier
# ----------------------------
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from skuq.deep import (
    EntropyConfidence,
    MaximumProbabilityConfidence,
    TCPConfidence,
    TrustScore,
)
from skuq.displays import ConfidenceHistogramDisplay, FailurePredictionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)
classifier = GaussianNB().fit(X_train, y_train)
proba = classifier.predict_proba(X_test)
wrong = proba.argmax(axis=1) != y_test
sure = proba.max(axis=1) > 0.99
print(f"{wrong.sum()} of {len(wrong)} wrong, {(wrong & sure).sum()} of them sure")

# %%
# Right and wrong answers have much the same confidence.
ConfidenceHistogramDisplay.from_predictions(y_test, proba)
plt.show()

# %%
# Four confidences in the same answers
# ------------------------------------
# All have the same methods and leave the classifier as it is.
confidences = {
    "largest probability": MaximumProbabilityConfidence(classifier),
    "entropy": EntropyConfidence(classifier),
    "trust score": TrustScore(classifier),
    "TCP": TCPConfidence(classifier, random_state=0),
}
for model in confidences.values():
    model.fit(X_train, y_train)
display = FailurePredictionDisplay.from_estimators(confidences, X_test, y_test)
plt.show()

# %%
# The largest probability is exactly 1 for half of the digits, so its curves begin there
# with a straight line: among equals, nothing can be chosen.  The network is right in
# almost all that it flags.  But it is also very sure of a few errors, which the last
# panel shows at a small coverage; to abstain from most answers, it would be a bad
# guide.  The trust score is better than both, as the nearest neighbours of a digit are
# almost always of its class: here, the neighbours are the better classifier.
for name, curves in display.curves.items():
    scores = curves.scores
    print(f"{name:20s} AUPR-Error {scores['aupr_error']:.2f} AURC {scores['aurc']:.3f}")
neighbours = KNeighborsClassifier(1).fit(X_train, y_train)
print(f"accuracy of naive Bayes      {classifier.score(X_test, y_test):.3f}")
print(f"accuracy of the neighbours   {neighbours.score(X_test, y_test):.3f}")

# %%
# What to remember
# ----------------
# - A confidence that is learned can find errors that the classifier is sure of.
# - Look at all three curves: each hides what another shows.
# - Compare on samples that neither network has seen, and with something simple.
