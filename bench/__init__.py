"""Speed, beside rivals and beside what the machine can do.

A folder is a task. Its ``__init__.py`` declares ``TITLE``, ``CASES`` and ``SMOKE``: from a name to
a function that makes the :class:`bench.harness.Work`. Every other file in it is a rival with one
function ``prepare(data, threads)``, which returns what is timed, or None for a case that it cannot
do. What is timed returns its answer, which must be float64 NumPy's within the task's tolerance.

    pytest bench --benchmark-only            every rival of every case, by pytest-benchmark
    pytest bench --benchmark-only --smoke    each once on little data, to see that it still works
    python -m bench [task ...]               rivals in turn, results/<task>.json
    python bench/tables.py                   README's table from these
"""
