"""A comparison as a table of plain text."""


def text_table(comparison):
    """A comparison as aligned text, one row per prediction.

    Parameters
    ----------
    comparison : skuq.evaluation.Comparison
        Metrics with intervals.

    Returns
    -------
    text : str
        Lines without a final newline; each cell is ``estimate [low, high]``.

    Examples
    --------
    >>> from skuq.evaluation import Comparison
    >>> from skuq.metrics import Interval
    >>> from skuq.report import text_table
    >>> rows = {"before": {"ECE": Interval(0.1234, 0.1, 0.15)}}
    >>> print(text_table(Comparison(rows, confidence_level=0.95, n_samples=100)))
    100 samples, 95 % intervals  ECE
    before                       0.1234 [0.1000, 0.1500]
    """
    level = f"{100 * comparison.confidence_level:g} %"
    corner = f"{comparison.n_samples} samples, {level} intervals"
    columns = list(next(iter(comparison.rows.values())))
    lines = [[corner, *columns]]
    for name, cells in comparison.rows.items():
        lines.append([name, *(_cell(cells[column]) for column in columns)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(interval):
    estimate, low, high = interval
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"
