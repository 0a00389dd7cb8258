#!/usr/bin/env python3
"""Writes models of one node and ONNX Runtime's outputs for random inputs, in the layout of the ONNX
project's tests: variants of operators that its own node tests leave out.

Usage: make-onnx-fixtures.py [FOLDER] [--all]
Without --all the cases of Tests/ONNXTests/Fixtures/runtime; with it every combination (some hundred),
for `martlet conform FOLDER`. Needs onnx, onnxruntime and numpy. Append cases at the end of a family: the
draws of a case depend on its name alone.
"""
import os
import shutil
import sys
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
everything = "--all" in sys.argv
here = os.path.dirname(os.path.abspath(__file__))
folder = arguments[0] if arguments else os.path.join(here, "../Tests/ONNXTests/Fixtures/runtime")
rng = np.random.default_rng(0)
counts = {"written": 0, "refused": 0}


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def whole(low, high, shape, dtype=np.int64):
    return rng.integers(low, high, shape).astype(dtype)


def case(name, op, make, outputs=1, opset=18, known=(), small=False, **attributes):
    """One node; `make` gives its inputs (None where one is left out), of which `known` are initializers."""
    global rng
    if not (small or everything):
        return
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = make()
    node = helper.make_node(
        op, ["" if v is None else f"i{k}" for k, v in enumerate(values)],
        [f"o{k}" for k in range(outputs)], **attributes)
    inputs, constants, feeds = [], [], {}
    for k, value in enumerate(values):
        if value is None:
            continue
        if k in known:
            constants.append(numpy_helper.from_array(value, f"i{k}"))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            inputs.append(helper.make_tensor_value_info(f"i{k}", kind, value.shape))
            feeds[f"i{k}"] = value
    graph = helper.make_graph(
        [node], name, inputs, [helper.make_empty_tensor_value_info(o) for o in node.output],
        constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    try:
        model = onnx.shape_inference.infer_shapes(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, feeds)
    except Exception as error:  # what the runtime lacks is no case
        counts["refused"] += 1
        print(f"{name}: {str(error)[:120]}", file=sys.stderr)
        return
    for port, result in zip(model.graph.output, results):
        kind = helper.np_dtype_to_tensor_dtype(result.dtype)
        port.CopyFrom(helper.make_tensor_value_info(port.name, kind, result.shape))
    path = os.path.join(folder, name)
    os.makedirs(os.path.join(path, "test_data_set_0"))
    onnx.save(model, os.path.join(path, "model.onnx"))
    files = [(f"input_{k}", n, v) for k, (n, v) in enumerate(feeds.items())]
    files += [(f"output_{k}", p.name, r) for k, (p, r) in enumerate(zip(model.graph.output, results))]
    for file, port, value in files:
        with open(os.path.join(path, "test_data_set_0", file + ".pb"), "wb") as out:
            out.write(numpy_helper.from_array(np.asarray(value), port).SerializeToString())
    counts["written"] += 1


def tag(options):
    text = "_".join(f"{k}{v}" for k, v in options.items())
    return "".join(c if c.isalnum() else "" if c in " [],'" else "_" for c in text) or "plain"


def recurrent():
    steps, batch, width, hidden = 4, 3, 3, 5
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        for direction, count in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            for lengths in (None, [4, 1, 3]):
                for extra in ({}, {"clip": 0.3}, {"linear_before_reset": 1}, {"input_forget": 1}):
                    if op != {"linear_before_reset": "GRU", "input_forget": "LSTM"}.get(
                        next(iter(extra), ""), op):
                        continue

                    def make():
                        values = [
                            draw(steps, batch, width), draw(count, gates * hidden, width),
                            draw(count, gates * hidden, hidden), draw(count, 2 * gates * hidden),
                            None if lengths is None else np.array(lengths, np.int32),
                            draw(count, batch, hidden)]
                        if op == "LSTM":
                            values += [draw(count, batch, hidden), draw(count, 3 * hidden)]
                        return values

                    case(
                        f"{op.lower()}_{direction}_{'lengths_' if lengths else ''}{tag(extra)}", op,
                        make, 3 if op == "LSTM" else 2, known=(1, 2, 3), hidden_size=hidden,
                        direction=direction, small=direction == "bidirectional" and bool(lengths),
                        **extra)
    plain = lambda gates, count: lambda: [
        draw(steps, batch, width), draw(count, gates * hidden, width),
        draw(count, gates * hidden, hidden)]
    for name, alpha, beta in (
        ("Relu", None, None), ("LeakyRelu", 0.3, None), ("Affine", 0.5, 0.1),
        ("ScaledTanh", 0.7, 0.9), ("HardSigmoid", 0.3, 0.4), ("Elu", 0.8, None),
        ("Softsign", None, None), ("Softplus", None, None), ("ThresholdedRelu", 0.2, None)):
        numbers = {} if alpha is None else {"activation_alpha": [alpha]}
        if beta is not None:
            numbers["activation_beta"] = [beta]
        case(f"rnn_{name.lower()}", "RNN", plain(1, 1), 2, hidden_size=hidden, activations=[name],
             **numbers)
    case("gru_activations", "GRU", plain(3, 2), 2, hidden_size=hidden, direction="bidirectional",
         activations=["HardSigmoid", "Relu", "Sigmoid", "LeakyRelu"],
         activation_alpha=[0.3, 0.2], activation_beta=[0.45], small=True)
    case("lstm_activations", "LSTM", plain(4, 1), 3, hidden_size=hidden,
         activations=["HardSigmoid", "Softsign", "Tanh"], small=True)


def windows():
    for axes in (1, 2, 3):
        extents = (7, 6, 5)[:axes]
        for options in (
            {"strides": [2] * axes}, {"strides": [2] * axes, "pads": [1] * (2 * axes)},
            {"dilations": [2] * axes}, {"auto_pad": "SAME_UPPER", "strides": [2] * axes},
            {"auto_pad": "SAME_LOWER", "strides": [3] * axes},
            {"strides": [3] * axes, "pads": [0] * axes + [1] * axes}):
            for ceil in (0, 1):
                if "auto_pad" in options and ceil:
                    continue
                name = f"{axes}d_{tag(options)}_ceil{ceil}"
                small = axes == 2 and ceil == 1
                one = lambda: [draw(1, 2, *extents)]
                kernel = {"kernel_shape": [3] * axes, "ceil_mode": ceil, **options}
                case("maxpool_" + name, "MaxPool", one, 2, 12, small=small, **kernel)
                case("averagepool_" + name, "AveragePool", one, 1, 19, small=small, **kernel)
                case("averagepool_padded_" + name, "AveragePool", one, 1, 19, small=small,
                     count_include_pad=1, **kernel)
                if "dilations" not in options:
                    case("lppool_" + name, "LpPool", one, 1, 18, p=3, **kernel)
            for groups in (1, 2):
                two = lambda: [
                    draw(1, 4, *extents), draw(4, 4 // groups, *[3] * axes), draw(4)]
                case(f"conv_{axes}d_{tag(options)}_groups{groups}", "Conv", two, opset=11,
                     group=groups, **options)
                case(f"convtranspose_{axes}d_{tag(options)}_groups{groups}", "ConvTranspose",
                     lambda: [draw(1, 4, *extents), draw(4, 2, *[3] * axes), draw(2 * groups)],
                     opset=11, group=groups, **options)
    case("maxpool_columnmajor", "MaxPool", lambda: [draw(2, 3, 5, 4)], 2, 12, kernel_shape=[2, 3],
         storage_order=1, strides=[2, 1], small=True)
    for p in (1, 2, 3):
        case(f"globallppool_{p}", "GlobalLpPool", lambda: [draw(2, 3, 5, 4)], p=p, small=p == 3)
    case("deformconv_groups", "DeformConv", lambda: [
        draw(1, 4, 5, 4), draw(4, 2, 2, 2), draw(1, 2 * 2 * 4, 4, 3), draw(4), draw(1, 2 * 4, 4, 3)],
        opset=19, group=2, offset_group=2, small=True)
    case("maxunpool", "MaxUnpool", lambda: [
        draw(1, 2, 3, 2), np.stack([rng.permutation(24)[:6] for _ in range(2)]).reshape(1, 2, 3, 2)
        + np.arange(2).reshape(1, 2, 1, 1) * 24], opset=11, kernel_shape=[2, 2], strides=[2, 2],
        small=True)


def reductions():
    for op in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"):
        for kind in ("float32", "int32"):
            one = lambda: [np.abs(whole(1, 5, (2, 3, 4), kind))]
            name = f"reduce{op.lower()}_{kind}"
            case(name + "_axes", "Reduce" + op, lambda: one() + [np.array([-1, 0])], known=(1,),
                 keepdims=0, small=kind == "int32" and op != "LogSumExp")
            case(name + "_noop", "Reduce" + op, one, noop_with_empty_axes=1)
            case(name + "_all", "Reduce" + op, one)
            case(name + "_attribute", "Reduce" + op, one, opset=11, axes=[1])
    for kind in ("float32", "int32", "int64", "uint8"):
        for last in (0, 1):
            for op in ("ArgMax", "ArgMin"):
                case(f"{op.lower()}_{kind}_{last}", op, lambda: [whole(0, 3, (3, 4, 5), kind)],
                     opset=13, axis=-2, keepdims=last, select_last_index=last, small=kind == "int64")
    for kind in ("float32", "int32", "int64"):
        for flags in range(4):
            case(f"cumsum_{kind}_{flags}", "CumSum",
                 lambda: [whole(-4, 5, (3, 4, 5), kind), np.array(-2)], opset=14, known=(1,),
                 exclusive=flags & 1, reverse=flags >> 1, small=kind == "int64")
        for largest in (0, 1):
            for axis in (0, 1, -1):
                case(f"topk_{kind}_{largest}_{axis}", "TopK",
                     lambda: [whole(-9, 9, (4, 5, 6), kind), np.array([3])], 2, 11, known=(1,),
                     largest=largest, axis=axis, small=kind == "int64" and axis == 1)
    for extent in (1, 2, 3, 5, 8):
        case(f"det_{extent}", "Det", lambda: [draw(2, 2, extent, extent)], opset=11,
             small=extent == 5)

    def singular():
        x = draw(3, 4, 4)
        x[0], x[1, :, 0], x[2, 0, 0] = 0, 0, 0
        return [x]

    case("det_singular", "Det", singular, opset=11, small=True)
    for index, (equation, shapes) in enumerate((
        ("ij,jk", [(2, 3), (3, 4)]), ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)]),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("ii->i", [(4, 4)]), ("...ii->...", [(2, 4, 4)]),
        ("i...,j...->...ij", [(2, 3), (4, 3)]), ("i,j->ij", [(3,), (4,)]),
        (" b n h w , n d -> b d h w ", [(2, 3, 4, 5), (3, 6)]), ("...i->...", [(2, 3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]))):
        case(f"einsum_{index}", "Einsum", lambda: [draw(*s) for s in shapes], opset=12,
             equation=equation, small="..." in equation)


def normalization():
    case("instancenorm_5d", "InstanceNormalization", lambda: [draw(2, 3, 2, 3, 3), draw(3), draw(3)],
         epsilon=1e-3, small=True)
    case("groupnorm_18", "GroupNormalization", lambda: [draw(2, 6, 4, 3), draw(3), draw(3)],
         opset=18, num_groups=3, small=True)
    case("groupnorm_21", "GroupNormalization", lambda: [draw(2, 6, 4, 3), draw(6), draw(6)],
         opset=21, num_groups=3)
    for axis in (0, 1, 2, -1):
        case(f"layernorm_{axis}", "LayerNormalization", lambda: [
            draw(2, 3, 4), draw(*(2, 3, 4)[axis:]), draw(*(2, 3, 4)[axis:])], 3, 17, axis=axis)
    for size in (1, 3, 9):
        case(f"lrn_{size}", "LRN", lambda: [draw(2, 5, 3, 4)], opset=13, size=size, alpha=0.3,
             beta=0.6, bias=1.5, small=size == 9)
    case("batchnorm_training", "BatchNormalization", lambda: [
        draw(4, 3, 5, 2), draw(3), draw(3), draw(3), abs(draw(3))], 3, 15, training_mode=1,
        momentum=0.7, small=True)
    case("hardmax_11", "Hardmax", lambda: [draw(3, 4, 5)], opset=11, axis=1, small=True)


def bits():
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(kind)
        any_of = lambda *shape: rng.integers(limits.min, limits.max, shape, dtype=kind)
        for op in ("And", "Or", "Xor"):
            case(f"bitwise{op.lower()}_{kind}", "Bitwise" + op, lambda: [any_of(4, 7), any_of(7)],
                 small=kind in ("int8", "uint64"))
        case(f"bitwisenot_{kind}", "BitwiseNot", lambda: [any_of(4, 7)], small=kind == "uint16")
        case(f"mod_{kind}", "Mod", lambda: [
            any_of(4, 7), np.where(rng.integers(0, 2, (4, 7)), 3, limits.max // 5).astype(kind)],
            opset=13, small=kind == "int16")
        for direction in ("LEFT", "RIGHT"):
            case(f"bitshift_{direction.lower()}_{kind}", "BitShift", lambda: [
                any_of(4, 5), rng.integers(0, limits.bits, 5).astype(kind)], opset=11,
                direction=direction, small=kind == "uint64")


def attention():
    heads = lambda h, length, width=8: draw(2, h, length, width)
    case("attention_causal_groups", "Attention", lambda: [heads(4, 5), heads(2, 5), heads(2, 5)],
         opset=23, is_causal=1, small=True)
    case("attention_past", "Attention", lambda: [
        heads(4, 3), heads(2, 3), heads(2, 3), draw(3, 7), heads(2, 4), heads(2, 4)], 3, 23,
        is_causal=1, small=True)
    case("attention_softcap", "Attention", lambda: [
        heads(4, 3), heads(4, 6), heads(4, 6, 5), draw(2, 1, 3, 6) > -1], opset=23, softcap=2.0,
        small=True)
    case("attention_mask", "Attention", lambda: [
        heads(4, 3), heads(4, 6), heads(4, 6), draw(2, 1, 3, 6) > -1], opset=23, small=True)
    case("attention_3d", "Attention", lambda: [draw(2, 3, 16), draw(2, 6, 8), draw(2, 6, 8)],
         opset=23, q_num_heads=4, kv_num_heads=2, scale=0.3, small=True)
    case("rotary_partial", "RotaryEmbedding", lambda: [
        heads(4, 5), draw(10, 3), draw(10, 3), whole(0, 10, (2, 5))], opset=23,
        rotary_embedding_dim=6, interleaved=1, small=True)


def integers():
    """Weights that are known, as in quantised models: the integer kernels."""
    def any_of(kind, *shape):
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)

    def one(kind, value):
        return np.array(value, kind)

    for a, zero in (("uint8", 131), ("int8", -7)):
        for b, zeros in (("int8", [0]), ("int8", [3, -2, 0, 7, 1]), ("uint8", [128]), ("uint8", [90])):
            b_zero = one(b, zeros[0]) if len(zeros) == 1 else np.array(zeros, b)
            case(f"matmulinteger_{a}_{b}_{len(zeros)}_{zeros[0]}", "MatMulInteger", lambda: [
                any_of(a, 3, 37), any_of(b, 37, 5), one(a, zero), b_zero], known=(1, 3), opset=10, small=True)
    case("matmulinteger_stack", "MatMulInteger", lambda: [
        any_of("uint8", 2, 3, 8), any_of("int8", 8, 20), one("uint8", 9), one("int8", 0)], known=(1, 3),
        opset=10, small=True)
    for w, zero in (("int8", 0), ("uint8", 128), ("uint8", 100)):
        case(f"convinteger_{w}_{zero}", "ConvInteger", lambda: [
            any_of("uint8", 2, 3, 7, 6), any_of(w, 4, 3, 3, 2), one("uint8", 11), one(w, zero)],
            known=(1, 2, 3), opset=10, small=True, pads=[1, 0, 2, 1], strides=[2, 1])
        case(f"qlinearconv_{w}_{zero}", "QLinearConv", lambda: [
            any_of("uint8", 1, 5, 6, 6), one("float32", 0.02), one("uint8", 120), any_of(w, 7, 5, 3, 3),
            rng.uniform(0.001, 0.01, 7).astype(np.float32) if w == "int8" else one("float32", 0.01),
            np.zeros(7, w) if w == "int8" else one(w, zero), one("float32", 0.1), one("uint8", 100),
            whole(-500, 500, 7, np.int32)], known=range(1, 9), opset=10, small=True, pads=[1, 1, 1, 1],
            dilations=[1, 2])
    case("qlinearmatmul", "QLinearMatMul", lambda: [
        any_of("uint8", 4, 19), one("float32", 0.02), one("uint8", 120), any_of("int8", 19, 6),
        one("float32", 0.01), one("int8", 0), one("float32", 0.1), one("uint8", 100)], known=range(1, 8),
        opset=10, small=True)
    case("dynamicquantizelinear", "DynamicQuantizeLinear", lambda: [draw(5, 33)], 3, 11, small=True)


def nothing():
    """Extents of 0, and starts beyond an axis."""
    case("tile_by_zero", "Tile", lambda: [draw(4, 2, 3, 4), np.array([0, 0, 3, 1])], known=(1,), small=True)
    case("slice_before_the_axis", "Slice", lambda: [
        draw(3, 4), *(np.array([k]) for k in (-9, -99, 0, -2))], known=(1, 2, 3, 4), small=True)
    case("resize_to_nothing", "Resize", lambda: [
        draw(1, 1, 1, 3), None, np.array([1, 1, 0.3, 0.5], np.float32)], known=(2,), small=True, mode="linear",
        coordinate_transformation_mode="asymmetric")


shutil.rmtree(folder, ignore_errors=True)
for family in (recurrent, windows, reductions, normalization, bits, attention, integers, nothing):
    family()
print(f"{counts['written']} cases in {folder}, {counts['refused']} that ONNX Runtime refuses")
