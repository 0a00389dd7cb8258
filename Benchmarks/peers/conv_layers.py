#!/usr/bin/env python3
"""The convolutions of Runtime/tests/bench_conv.c in PyTorch (oneDNN), median microseconds.

    conv_layers.py [SET] [THREADS]     SET: resnet vgg lenet mobile all

Forward, input gradient and filter gradient, each in NCHW and in channels_last; the better counts.
"""
import os
import re
import sys
import time

wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
import torch

torch.set_num_threads(threads)
torch.manual_seed(0)


def layers():
    """The table, read out of the C source: one place has the shapes."""
    path = os.path.join(os.path.dirname(__file__), "../../Runtime/tests/bench_conv.c")
    line = re.compile(r'\{"(\w+)", "([^"]+)", ' + ", ".join([r"(\d+)"] * 9) + r"\}")
    for match in line.finditer(open(path).read()):
        yield match[1], match[2], [int(x) for x in match.groups()[2:]]


def median(call):
    for _ in range(3):
        call()
    times = []
    while len(times) < 5 or (sum(times) < 0.12 and len(times) < 400):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e6


def measure(n, size, ic, oc, kernel, stride, pad, groups):
    best = [float("inf")] * 3
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(n, ic, size, size).to(memory_format=layout)
        w = torch.randn(oc, ic // groups, kernel, kernel).to(memory_format=layout)
        y = torch.nn.functional.conv2d(x, w, None, stride, pad, 1, groups)
        dy = torch.randn_like(y)

        def gradient(mask):
            return torch.ops.aten.convolution_backward(
                dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups, mask)

        with torch.inference_mode():
            calls = (lambda: torch.nn.functional.conv2d(x, w, None, stride, pad, 1, groups),
                     lambda: gradient([True, False, False]), lambda: gradient([False, True, False]))
            best = [min(b, median(c)) for b, c in zip(best, calls)]
    return best


print(f"torch {torch.__version__}, {threads} threads: forward, input gradient, filter gradient, us")
totals = {}
for group, name, (times, *shape) in layers():
    if wanted in ("all", group):
        best = measure(*shape)
        sums = totals.setdefault(group, [0.0] * 3)
        totals[group] = [s + times * b for s, b in zip(sums, best)]
        print(f"{name:18}" + "".join(f" | {b:9.1f}" for b in best), flush=True)
for group, sums in totals.items():
    print(f"{group:10} network" + "".join(f" | {s:9.1f}" for s in sums))
