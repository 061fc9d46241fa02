"""Links between logits and probabilities on class-major blocks `(n_classes, m)`.

Notation: z logits, p = softmax(z) probabilities, both one column per sample.  A
binary problem may come with the single row of its positive class.
"""

from skuq._core._arrays import Array, array_namespace, clip

# The smallest normal float32: the least probability that has a logarithm here.  The
# same for float64, so that both precisions of the same probabilities calibrate alike.
LEAST_PROBABILITY = 2.0**-126


def log_of_proba(p: Array) -> Array:
    """log(p) with p clipped to [LEAST_PROBABILITY, 1], so that it is finite.

    Clipping, not adding a constant: the logits of a saturated network survive a round
    trip through its probabilities.
    """
    return array_namespace(p).log(clip(p, LEAST_PROBABILITY, 1.0))


def both_rows(block: Array, kind: str) -> Array:
    """A binary `(1, m)` block of the positive class as `(2, m)`; others as they are.

    A logit z stands for ``[0, z]`` and a probability p for ``[1 - p, p]``.
    """
    if block.shape[0] > 1:
        return block
    xp = array_namespace(block)
    other = xp.zeros_like(block) if kind == "logit" else 1.0 - block
    return xp.concat([other, block], axis=0)


def as_logits(block: Array, kind: str) -> Array:
    """A block of either kind as logits, two rows or more."""
    block = both_rows(block, kind)
    return block if kind == "logit" else log_of_proba(block)


def log_softmax(logits: Array) -> Array:
    """Log probabilities of a block, by log-sum-exp; no overflow at any finite logit."""
    xp = array_namespace(logits)
    shifted = logits - xp.max(logits, axis=0)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=0))


def softmax(logits: Array) -> Array:
    """Probabilities of a block; columns sum to one."""
    xp = array_namespace(logits)
    p = xp.exp(logits - xp.max(logits, axis=0))
    p /= xp.sum(p, axis=0)
    return p


def expit(x: Array) -> Array:
    """The logistic function ``1 / (1 + exp(-x))``, without overflow."""
    xp = array_namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1.0, small) / (1 + small)
