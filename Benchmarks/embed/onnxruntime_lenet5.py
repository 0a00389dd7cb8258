"""LeNet-5 in ONNX Runtime, one image, one thread: the median of a run in µs.

    onnxruntime_lenet5.py
"""

import statistics
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
weights, nodes = [], []


def weight(name, *shape):
    scale = np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.1
    weights.append(numpy_helper.from_array((random.standard_normal(shape) * scale).astype(np.float32), name))
    return name


def node(kind, inputs, output, **attributes):
    nodes.append(helper.make_node(kind, inputs, [output], **attributes))
    return output


x = node("Conv", ["images", weight("w1", 6, 1, 5, 5), weight("b1", 6)], "c1", pads=[2, 2, 2, 2])
x = node("MaxPool", [node("Relu", [x], "r1")], "p1", kernel_shape=[2, 2], strides=[2, 2])
x = node("Conv", [x, weight("w2", 16, 6, 5, 5), weight("b2", 16)], "c2")
x = node("MaxPool", [node("Relu", [x], "r2")], "p2", kernel_shape=[2, 2], strides=[2, 2])
x = node("Flatten", [x], "f")
for i, (a, b) in enumerate([(400, 120), (120, 84), (84, 10)]):
    x = node("Gemm", [x, weight(f"w{i + 3}", b, a), weight(f"b{i + 3}", b)], f"d{i}", transB=1)
    if i < 2:
        x = node("Relu", [x], f"r{i + 3}")
graph = helper.make_graph(
    nodes, "lenet5", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 1, 28, 28])],
    [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 10])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
# Bound once, as a program in C would: what Python adds to each call stays small.
binding = session.io_binding()
binding.bind_cpu_input("images", random.standard_normal((1, 1, 28, 28)).astype(np.float32))
binding.bind_output(x)
times = []
for turn in range(64):
    start = time.perf_counter()
    for _ in range(200):
        session.run_with_iobinding(binding)
    times.append((time.perf_counter() - start) / 200 * 1e6)
print(f"{statistics.median(times[3:]):.2f}")
