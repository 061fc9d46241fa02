"""The methods of ``benchmarks.uci``: a module for each, found by its name.

A module has

- ``SOURCE``: the paper, and what was run to get its figures;
- ``PAPER``: name of a set -> ``{"RMSE": (mean, standard deviation), "NLL": (...)}``;
- ``score(split)``: trains on ``split.X``, ``split.y`` and returns "RMSE", "NLL" and,
  where there is more to say, other figures by name.  Seeds come from ``split.seed``.
"""
