"""Conformal classification: sets of classes that hold the true one as often as said."""

import warnings
from math import ceil, prod

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import (
    array_namespace,
    device,
    is_torch_array,
    pick,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import ScoreTable, put
from skuq._core._checks import (
    check_labels_shape,
    check_option,
    check_scores,
    host_summary,
)
from skuq._core._conformal import reached
from skuq._core._labels import encode_labels
from skuq._core._sorting import tie_groups
from skuq._model_checks import without_void
from skuq.base import accuracy
from skuq.decision._held_out import HeldOutModel, probability_block
from skuq.decision._set_scores import METHODS, set_scores
from skuq.exceptions import CalibrationWarning, InputError


class ConformalClassifier(HeldOutModel):
    """A classifier that names a set of classes, which holds the true one often enough.

    Whatever the model: of new samples a share of at least 1 - alpha have their class in
    the set.  A poor model pays with large sets.  Assumes only that held-out samples and
    new ones are exchangeable, such as drawn from the same distribution.

    Parameters
    ----------
    estimator : object
        A classifier, as `skuq.calibration.CalibratedModel` takes it.
    method : {"lac", "aps", "raps"}, default="lac"
        What puts classes in order.  "lac" (also called THR): those of large
        probability; the smallest sets on average, empty for some samples [1]_.  "aps":
        the most probable ones until their mass suffices, so that hard samples get
        larger sets [2]_.  "raps": the same, with a penalty on long sets [3]_.
    class_conditional : bool, default=False
        Cover each class as often as promised [1]_, not only all together; every class
        needs its own held-out samples.
    randomize : bool, default=False
        Let a random part of the mass of the last class count in "aps" and "raps", as
        their papers do: smaller sets, empty for some samples, that depend on
        `random_state`.
    penalty : float, default=0.01
        Of "raps": what each class beyond `k_reg` adds to the mass, at least 0.
    k_reg : int, default=5
        Of "raps": number of classes without a penalty, at least 0.
    response_method : {"auto", "predict_logits", "decision_function", \
            "predict_log_proba", "predict_proba"}, default="auto"
        The scores from which probabilities are made, as in `CalibratedModel`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    holdout : float, int or None, default=None
        None: `estimator` is fitted already and `fit` finds the thresholds alone.
        Otherwise the share or number of rows that `fit` holds out, by chance, for the
        thresholds; a clone of the model is trained on the other rows.
    random_state : int, RandomState or None, default=None
        Draws the rows of `holdout` and the parts of `randomize`.

    Attributes
    ----------
    estimator_ : object
        The model: `estimator` itself, or with `holdout` the one that was trained.
    classes_ : ndarray of shape (n_classes,)
        The class of each column of `predict_set`.
    scores_ : list of ndarray
        Distinct scores of the true classes of the held-out samples, rising; one entry,
        or one for each class.
    mass_ : list of ndarray
        Weight of the held-out samples up to each of these.
    n_features_in_ : int
        As `estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        As `estimator_` has it.

    Warns
    -----
    skuq.exceptions.CalibrationWarning
        If there are too few held-out samples for a level: all sets hold the class.

    See Also
    --------
    SelectiveClassifier : Abstains where it is not sure of one class.
    skuq.calibration.ConformalCalibrator : The same for regression.

    Notes
    -----
    A class is in the set if its score is at most the ``ceil((n + 1) (1 - alpha))``-th
    smallest of the n held-out scores.  On average over held-out sets and new samples
    the coverage is at least 1 - alpha, and where no scores are equal at most ``1 -
    alpha + 1 / (n + 1)``.  This holds within each class if `class_conditional`.  It
    holds neither for every single held-out set nor for every kind of sample.

    Fewer than ``1 / alpha - 1`` held-out samples (of a class) give sets with all
    classes (that class).  Of maps the coverage is that of a random position of a new
    image, and n counts images: the positions of each share a weight of one [4]_.

    Probabilities with equal values are ranked by their column.  Sorts the scores of all
    held-out positions on the host and keeps the distinct ones.

    References
    ----------
    .. [1] M. Sadinle, J. Lei and L. Wasserman (2019). "Least ambiguous set-valued
       classifiers with bounded error levels". Journal of the American Statistical
       Association 114(525). `arXiv:1609.00451 <https://arxiv.org/abs/1609.00451>`_
    .. [2] Y. Romano, M. Sesia and E. J. Candes (2020). "Classification with valid and
       adaptive coverage". NeurIPS. `arXiv:2006.02544
       <https://arxiv.org/abs/2006.02544>`_
    .. [3] A. N. Angelopoulos, S. Bates, J. Malik and M. I. Jordan (2021). "Uncertainty
       sets for image classifiers using conformal prediction". ICLR. `arXiv:2009.14193
       <https://arxiv.org/abs/2009.14193>`_
    .. [4] Y. Lee, R. F. Barber and R. Willett (2023). "Distribution-free inference with
       hierarchical data". `arXiv:2306.06342 <https://arxiv.org/abs/2306.06342>`_

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.utils import shuffle
    >>> from skuq.decision import ConformalClassifier
    >>> X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    >>> model = LogisticRegression(C=0.01, max_iter=1000).fit(X[:500], y[:500])
    >>> conformal = ConformalClassifier(model).fit(X[500:1200], y[500:1200])
    >>> sets = conformal.predict_set(X[1200:], alpha=0.02)
    >>> covered = sets[np.arange(len(sets)), y[1200:]]
    >>> print(f"{covered.mean():.3f} covered, {sets.sum(axis=1).mean():.1f} classes")
    0.990 covered, 1.1 classes
    """

    _rule = "the thresholds"

    def __init__(
        self,
        estimator,
        *,
        method="lac",
        class_conditional=False,
        randomize=False,
        penalty=0.01,
        k_reg=5,
        response_method="auto",
        ignore_index=None,
        holdout=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.class_conditional = class_conditional
        self.randomize = randomize
        self.penalty = penalty
        self.k_reg = k_reg
        self.response_method = response_method
        self.ignore_index = ignore_index
        self.holdout = holdout
        self.random_state = random_state

    def _fit_rule(self, X, y):
        check_option("method", self.method, METHODS)
        if not (self.penalty >= 0 and self.k_reg >= 0):
            raise InputError(
                "penalty and k_reg must be at least 0, got "
                f"{self.penalty!r} and {self.k_reg!r}."
            )
        # Parts that both fit and prediction draw would make their scores dependent.
        seed, self._seed = check_random_state(self.random_state).randint(2**31, size=2)
        response = self._scores(X)
        option = {"ignore_index": self.ignore_index}
        self.classes_ = without_void(self.classes_, response.scores, option)
        scores = check_scores(response.scores)
        check_labels_shape(y, scores)
        codes, void = encode_labels(y, self.classes_, like=scores, **option)
        table = ScoreTable(scores, codes, None, void)
        own = self._own_scores(table, response.kind, seed)
        codes = to_numpy(codes).reshape(-1)
        image = np.repeat(np.arange(table.n_samples), prod(scores.shape[2:]))
        keep = np.ones(len(codes), bool) if void is None else codes != void
        groups = [keep]
        if self.class_conditional:
            groups = [keep & (codes == k) for k in range(len(self.classes_))]
        found = [_score_groups(own[g], image[g]) for g in groups]
        self.scores_, self.mass_ = map(list, zip(*found, strict=True))

    def _own_scores(self, table, kind, seed):
        """The score of the true class of every position, void ones too, on the host."""
        parts = []
        for window, score in self._score_blocks(table, kind, seed):
            codes, _ = table.targets(window)
            if table.void is not None:
                xp = array_namespace(codes)
                codes = xp.where(codes == table.void, xp.zeros_like(codes), codes)
            parts.append(to_numpy(pick(score, codes)))
        return np.concatenate(parts)

    def _score_blocks(self, table, kind, seed):
        """Windows with the scores of all classes, `(n_classes, m)`."""
        rng = np.random.default_rng(seed)
        for window in table.windows():
            p = probability_block(table.columns(window), kind)
            part = 1.0
            if self.randomize:
                xp = array_namespace(p)
                drawn = rng.random(p.shape[1])
                part = xp.asarray(drawn, dtype=p.dtype, device=device(p))
            yield window, set_scores(p, self.method, part, self.penalty, self.k_reg)

    def thresholds(self, alpha=0.1):
        """The largest score of a class that is in a set.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.1
            Nominal miscoverage: 0.1 for sets that hold the class 90 % of the time.

        Returns
        -------
        thresholds : ndarray of shape (1,) or (n_classes,)
            One, or one for each class; infinity where samples are too few.
        """
        check_is_fitted(self)
        if not 0 < alpha < 1:
            raise InputError(f"alpha must lie in (0, 1), got {alpha!r}.")
        pairs = zip(self.scores_, self.mass_, strict=True)
        found = np.array(
            [reached(s, m, (1 - alpha) * (_total(m) + 1)) for s, m in pairs]
        )
        self._warn_if_infinite(np.isinf(found), alpha)
        return found

    def _warn_if_infinite(self, is_infinite, alpha):
        if not is_infinite.any():
            return
        which = ""
        if self.class_conditional:
            which = f" of {host_summary(self.classes_[is_infinite])}"
        warnings.warn(
            f"the held-out samples{which} are too few for alpha={alpha:g}, so all sets "
            f"hold {'these' if which else 'all'} classes: use at least "
            f"{ceil((1 - 1e-9) / alpha) - 1}, or a larger alpha.",
            CalibrationWarning,
            stacklevel=4,
        )

    def predict_set(self, X, alpha=0.1):
        """The classes that hold the true one among them with probability 1 - alpha.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        alpha : float in (0, 1), default=0.1
            Nominal miscoverage: 0.1 for sets that hold the class 90 % of the time.

        Returns
        -------
        sets : bool array of shape (n_samples, n_classes, *spatial)
            Whether each class is in the set, which may be empty; a tensor where the
            model gives tensors.
        """
        threshold = self.thresholds(alpha)
        response = self._scores(X)
        table = ScoreTable(check_scores(response.scores))
        xp, place = array_namespace(table.scores), device(table.scores)
        shape = (table.n_samples, table.n_classes, *table.scores.shape[2:])
        sets = xp.empty(shape, dtype=xp.bool, device=place)
        for window, score in self._score_blocks(table, response.kind, self._seed):
            limit = xp.asarray(threshold[:, None], dtype=score.dtype, device=place)
            put(sets, window, score <= limit)
        scores = response.scores
        return to_library_of(sets, scores) if is_torch_array(scores) else sets

    def predict(self, X):
        """The labels of the model, unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples, *spatial)
            True labels; those equal to `ignore_index` do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        return accuracy(y, self.predict(X), sample_weight, self.ignore_index)


def _score_groups(score, image):
    """Distinct scores, rising, and the weight up to each; an image weighs one."""
    if not len(score):
        return np.zeros(0), np.zeros(0)
    count = np.bincount(image)
    groups = tie_groups(score, np.zeros(len(score)), 1 / count[image])
    return groups.score, np.cumsum(groups.weight)


def _total(mass):
    """Number of held-out samples behind a cumulated weight."""
    return round(mass[-1]) if len(mass) else 0
