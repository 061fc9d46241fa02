"""skuq and its peers side by side: ``python -m benchmarks.temperature`` and others."""
