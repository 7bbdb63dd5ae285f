"""Every rival of every case under pytest-benchmark; the answer is what can fail, never the time."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_limits

from bench import harness

ROUNDS = 3

# what a rival complains about is no defect of dcnfast


@pytest.mark.filterwarnings("default")
def test_rival(benchmark, request, rows, group, make_work, rival):
    work = make_work()
    if reason := harness.too_many_threads(work):
        pytest.skip(reason)
    threads = rival.threads_for(work)
    run = rival.prepare(work.data, threads)
    if run is None:
        pytest.skip(f"{rival.name} does not do this case")
    benchmark.group = group
    with threadpool_limits(work.threads):
        first = harness.first_figures(work, rival, run())
        peaks = [harness.ceilings(threads, work.weights)]
        smoke = request.config.getoption("smoke")
        calls, rounds = (1, 1) if smoke else (harness.calls_in_a_round(run), ROUNDS)
        benchmark.pedantic(run, iterations=calls, rounds=rounds)
        peaks.append(harness.ceilings(threads, work.weights))
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.data
    best = tuple(map(max, *peaks))
    row = harness.summarise(work, seconds, [best] * len(seconds)) | first
    row |= harness.own_figures(run)
    benchmark.extra_info |= row | {"flops": work.flops, "bytes": work.bytes}
    rows.append({"case": group, "rival": rival.name, "threads": threads} | row)
