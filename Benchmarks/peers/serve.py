#!/usr/bin/env python3
"""One workload in one framework, run in turns: serve.py torch|compile|jax WORKLOAD THREADS

The protocol of `martlet bench --serve`: the first line says how long the set-up took; then the line `first`
is answered with the time of the first step, each line `run SECONDS` with the time of every step, and `end` with
what is known at the end. Between two lines the process sleeps.
"""
import json
import os
import resource
import sys
import time

framework, workload, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
# Before anything loads an OpenMP or XLA runtime.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
if framework == "jax":
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} "
        f"intra_op_parallelism_threads={threads}")

from workloads import WORKLOADS  # noqa: E402


def say(**values):
    print(json.dumps(values), flush=True)


def main():
    begin = time.perf_counter()
    if framework == "jax":
        import jax_peer as peer
    else:
        import torch_peer as peer
    step, parameters = peer.build(WORKLOADS[workload], threads, framework == "compile")
    say(setup_s=time.perf_counter() - begin)
    for line in sys.stdin:
        words = line.split()
        if words == ["first"]:
            begin = time.perf_counter()
            peer.wait(step())
            say(first_step_s=time.perf_counter() - begin)
            continue
        if words == ["end"]:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
            say(params=parameters, maxrss_mb=peak, versions=peer.VERSIONS)
            return
        seconds = float(words[1])
        for _ in range(3):
            peer.wait(step())
        times, start = [], time.perf_counter()
        while (time.perf_counter() - start < seconds and len(times) < 4000) or len(times) < 5:
            begin = time.perf_counter()
            peer.wait(step())
            times.append(round((time.perf_counter() - begin) * 1e3, 6))
        say(times_ms=times)


main()
