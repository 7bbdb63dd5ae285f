"""Real tables: what the estimators reach on data that people know.

``python -m bench.examples.adult --data DIR``, and so for every module with a ``main``; each writes
``bench/results/examples/<name>.json``. ``python -m bench.examples.table`` puts them into
README.md and RESULTS.md.
"""
