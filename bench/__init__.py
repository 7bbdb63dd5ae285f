"""Speed, beside rivals and beside what the machine can do.

A folder is a task. Its ``__init__.py`` declares ``TITLE``, ``CASES`` and ``SMOKE``: from a name to
a function that makes the :class:`bench.harness.Work`. Every other file in it is a rival with one
function ``prepare(data, threads)``, which returns what is timed, or None for a case that it cannot
do. What is timed returns its answer, which must be float64 NumPy's within the task's tolerance; it
may also have a method ``figures()``, for columns of its own.

A rival has ``THREADS`` if it insists on a number of them, and ``reference(data)`` if it does not do
the very task but something like it, whose answer is then its own. One that needs a package that is
not there is skipped by name; so is one whose import raises :class:`bench.harness.AbsentError`. One
that needs an environment of its own runs there by :mod:`bench.remote`, and the pipes to it are so
short that it takes its turn like all others.

Tasks that train share :mod:`bench.training`: each call is the next few steps, and the losses of the
first are compared.

    pytest bench --benchmark-only            every rival of every case, by pytest-benchmark
    pytest bench --benchmark-only --smoke    each once on little data, to see that it still works
    python -m bench [task ...]               rivals in turn, results/<task>.json
    python -m bench.quality                  not speed but quality: its own __init__.py says more
    python -m bench.tables                   the tables of README.md and RESULTS.md from these
"""
