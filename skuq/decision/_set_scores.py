"""How strange each class is for a sample: the conformity scores of conformal sets.

Notation, per column of a class-major block of probabilities p `(n_classes, m)`: a class
has rank r, 1 for the most probable, and mass before it, that of more probable ones; u
in [0, 1] is the part of its own mass that counts.
"""

from skuq._core._arrays import Array, array_namespace, device

METHODS = ("lac", "aps", "raps")


def set_scores(p: Array, method: str, u: Array, penalty: float, k_reg: int) -> Array:
    """The score of every class, `(n_classes, m)`; the least strange is in a set first.

    "lac" is ``1 - p``, "aps" ``before + u p``, "raps" that plus ``penalty * max(0, r -
    k_reg)``.
    """
    if method == "lac":
        return 1 - p
    xp = array_namespace(p)
    order = xp.argsort(p, axis=0, descending=True, stable=True)
    ranked = xp.take_along_axis(p, order, axis=0)
    score = xp.cumulative_sum(ranked, axis=0) - (1 - u) * ranked
    if method == "raps":
        rank = xp.arange(1, p.shape[0] + 1, dtype=p.dtype, device=device(p))
        score = score + penalty * xp.where(rank > k_reg, rank - k_reg, 0)[:, None]
    return xp.take_along_axis(score, xp.argsort(order, axis=0), axis=0)
