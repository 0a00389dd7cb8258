"""A model in ONNX Runtime on one thread: the median of a run in µs, and the result for an image that compare.c takes too.

onnxruntime_time.py FILE.onnx
"""

import statistics
import sys
import time

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
# Bound once, as a program in C would: what Python adds to each call stays small.
binding = session.io_binding()
port = session.get_inputs()[0]
image = (np.arange(np.prod(port.shape)) * 37 % 101).astype(np.float32) / 50 - 1
binding.bind_cpu_input(port.name, image.reshape(port.shape))
binding.bind_output(session.get_outputs()[0].name)
times = []
for turn in range(64):
    start = time.perf_counter()
    for _ in range(200):
        session.run_with_iobinding(binding)
    times.append((time.perf_counter() - start) / 200 * 1e6)
print(f"{statistics.median(times[3:]):.2f}")
print(*(f"{x:.7g}" for x in binding.copy_outputs_to_cpu()[0].ravel()))
