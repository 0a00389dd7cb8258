#!/usr/bin/env python3
"""Writes Tests/OpConformanceTests/Fixtures/*.txt: operands and NumPy's results for every operation.

Needs numpy and scipy (erf). Deterministic: running it again changes nothing. The files are
committed; the tests need neither Python nor NumPy. One file an operation, a block a case:

    op reduceSum axes=[1]
    ulp 4 scaled            (allowed units in the last place; scaled: of the largest magnitude)
    in f32[2,3] 1.0 2.0 3.0 nan inf -0.0
    out f32[2] 6.0 nan

References are computed in float64 and rounded once, or in exact Python integers: they are independent
of the NumPy build's float32 routines.
"""
import itertools
import math
import pathlib
import zlib

import numpy as np
import scipy.special

OUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/OpConformanceTests/Fixtures"
NP = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "u8": np.uint8,
      "i8": np.int8, "bool": np.bool_}
SHORT = {np.dtype(v): k for k, v in NP.items()}
FLOATS, INTS = ["f32", "f64"], ["i32", "i64", "u8"]
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 1e-6, -1e30]

cases = {}


def rng(*key):
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def text(array):
    array = np.asarray(array)
    kind = SHORT[array.dtype]
    if kind == "bool":
        values = [str(int(v)) for v in array.ravel()]
    elif kind in INTS or kind == "i8":
        values = [str(v) for v in array.ravel()]
    else:
        values = [np.format_float_scientific(v, trim="0") if np.isfinite(v) and v != 0 and
                  not 1e-4 < abs(v) < 1e7 else str(v) for v in array.ravel()]
    shape = ",".join(map(str, array.shape))
    return " ".join([f"{kind}[{shape}]"] + values)


def attribute(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(str, value)) + "]"
    return str(value)


def case(op, inputs, outputs, ulp=0.0, scaled=False, **attributes):
    head = " ".join([f"op {op}"] + [f"{k}={attribute(v)}" for k, v in attributes.items()])
    lines = [head, f"ulp {ulp:g}" + (" scaled" if scaled else "")]
    lines += ["in " + text(x) for x in inputs]
    lines += ["out " + text(y) for y in (outputs if isinstance(outputs, list) else [outputs])]
    cases.setdefault(op, []).append("\n".join(lines))


def draw(r, dtype, shape, low=-3.0, high=3.0):
    if dtype == "bool":
        return r.integers(0, 2, shape).astype(np.bool_)
    if dtype in INTS:
        low = max(low, 0) if dtype == "u8" else low
        return r.integers(math.ceil(low), math.floor(high) + 1, shape).astype(NP[dtype])
    return r.uniform(low, high, shape).astype(NP[dtype])


def cast(value, dtype):
    """Exact Python integers wrapped to an integer dtype; floats rounded to a float dtype."""
    if dtype in INTS:
        bits = {"i32": 32, "i64": 64, "u8": 8}[dtype]
        def wrap(v):
            v = int(v) % (1 << bits)
            return v - (1 << bits) if dtype != "u8" and v >> (bits - 1) else v
        flat = [wrap(v) for v in np.asarray(value, dtype=object).ravel()]
        return np.array(flat, dtype=NP[dtype]).reshape(np.shape(value))
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(NP[dtype])


def each(f, *arrays):
    """f over Python numbers, element by element."""
    out = np.empty(arrays[0].shape, dtype=object)
    for i in np.ndindex(arrays[0].shape):
        out[i] = f(*(a[i].item() for a in arrays))
    return out


# Elementwise -----------------------------------------------------------------------------------

def unary(op, f, low=-5.0, high=5.0, ulp=2.0, specials=SPECIAL):
    for dtype in FLOATS:
        x = np.concatenate([np.array(specials), rng(op, dtype).uniform(low, high, 27)])
        x = x.astype(NP[dtype])
        with np.errstate(all="ignore"):
            case(op, [x], cast(f(x.astype(np.float64)), dtype), ulp)


def logistic(x):
    return scipy.special.expit(x)


unary("exp", np.exp, -20, 20)
unary("exp2", np.exp2, -20, 20)
unary("expm1", np.expm1)
unary("log", np.log, 0.01, 20)
unary("log1p", np.log1p, -0.99, 5)
unary("tanh", np.tanh)
unary("logistic", logistic, -20, 20, ulp=4)
unary("erf", scipy.special.erf)
unary("sqrt", np.sqrt, 0, 9, ulp=0)
unary("rsqrt", lambda x: 1 / np.sqrt(x), 0.01, 9)
unary("sin", np.sin, -30, 30, specials=[v for v in SPECIAL if abs(v) != 1e30])
unary("cos", np.cos, -30, 30, specials=[v for v in SPECIAL if abs(v) != 1e30])
unary("floor", np.floor, ulp=0)
unary("ceil", np.ceil, ulp=0)
unary("round", np.rint, ulp=0)
unary("abs", np.abs, ulp=0)
unary("sign", np.sign, ulp=0)
unary("negate", np.negative, ulp=0)

SMALL = [v for v in SPECIAL if abs(v) != 1e30]
unary("trunc", np.trunc, ulp=0)
unary("reciprocal", lambda x: 1 / x, ulp=0)
unary("tan", np.tan, -3, 3, specials=SMALL)
unary("asin", np.arcsin, -1, 1)
unary("acos", np.arccos, -1, 1)
unary("atan", np.arctan)
unary("sinh", np.sinh, -20, 20)
unary("cosh", np.cosh, -20, 20)
unary("asinh", np.arcsinh, -20, 20)
unary("acosh", np.arccosh, 1, 20)
unary("atanh", np.arctanh, -1, 1)

EDGES = {"i32": [-(2**31), 2**31 - 1, -1, 0, 1], "i64": [-(2**63), 2**63 - 1, -1, 0, 1],
         "u8": [0, 1, 255, 128, 7]}
for dtype in INTS:
    x = np.concatenate([np.array(EDGES[dtype], NP[dtype]), draw(rng(dtype), dtype, 6, -99, 99)])
    case("negate", [x], cast(each(lambda a: -a, x), dtype))
    case("abs", [x], cast(each(abs, x), dtype))
    case("sign", [x], cast(each(lambda a: (a > 0) - (a < 0), x), dtype))


def binary(op, f, low=-5.0, high=5.0, ulp=0.0):
    for dtype in FLOATS:
        special = np.array(list(itertools.product(SPECIAL[:8], SPECIAL[:8]))).T
        more = rng(op, dtype).uniform(low, high, (2, 26))
        x, y = np.concatenate([special, more], axis=1).astype(NP[dtype])
        with np.errstate(all="ignore"):
            case(op, [x, y], cast(f(x.astype(np.float64), y.astype(np.float64)), dtype), ulp)


def integers(op, f, low=-99, high=99):
    for dtype in INTS:
        pairs = np.array(list(itertools.product(EDGES[dtype], EDGES[dtype])), dtype=object)
        x = np.concatenate([pairs[:, 0].astype(NP[dtype]), draw(rng(op, dtype, 0), dtype, 9, low, high)])
        y = np.concatenate([pairs[:, 1].astype(NP[dtype]), draw(rng(op, dtype, 1), dtype, 9, low, high)])
        case(op, [x, y], cast(each(f, x, y), dtype))


def truncated(a, b):
    return -1 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def power(a, n):
    if n < 0:
        return {1: 1, -1: -1 if n % 2 else 1}.get(a, 0)
    return pow(a, n, 1 << 64)


binary("add", np.add)
binary("subtract", np.subtract)
binary("multiply", np.multiply)
binary("divide", np.divide)
binary("maximum", np.maximum)
binary("minimum", np.minimum)
binary("power", np.power, 0.1, 5, ulp=2)
binary("remainder", np.fmod)
binary("atan2", np.arctan2, ulp=2)
integers("add", lambda a, b: a + b)
integers("subtract", lambda a, b: a - b)
integers("multiply", lambda a, b: a * b)
integers("divide", truncated)
integers("remainder", lambda a, b: a if b == 0 else a - b * truncated(a, b))
integers("maximum", max)
integers("minimum", min)
integers("power", power)

for direction, f in [("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal),
                     ("gt", np.greater), ("ge", np.greater_equal)]:
    for dtype in FLOATS + INTS + ["bool"]:
        if dtype in FLOATS:
            x, y = np.array(list(itertools.product(SPECIAL[:8], SPECIAL[:8]))).T.astype(NP[dtype])
        else:
            x, y = draw(rng(direction, dtype), dtype, (2, 12))
        case("compare", [x, y], f(x, y), direction=f'"{direction}"')

b = np.array(list(itertools.product([0, 1], [0, 1])), np.bool_).T
case("and", [b[0], b[1]], b[0] & b[1])
case("or", [b[0], b[1]], b[0] | b[1])
case("xor", [b[0], b[1]], b[0] ^ b[1])
case("not", [b[0]], ~b[0])
for dtype in FLOATS + INTS + ["bool"]:
    r = rng("select", dtype)
    c, x, y = draw(r, "bool", (3, 5)), draw(r, dtype, (3, 5)), draw(r, dtype, (3, 5))
    if dtype in FLOATS:
        x[0, 0], y[0, 0], y[1, 1] = math.nan, math.inf, math.nan
    case("select", [c, x, y], np.where(c, x, y))
    case("stopGradient", [x], x)

RANGE = {"i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1), "u8": (0, 255)}


def convert(v, to):
    if to == "bool":
        return v != 0
    if to in INTS and isinstance(v, float):
        low, high = RANGE[to]
        return 0 if math.isnan(v) else high if v >= high else low if v <= low else int(v)
    return v


for source in FLOATS + INTS + ["bool"]:
    for to in FLOATS + INTS + ["bool"]:
        if source in FLOATS:
            x = np.array(SPECIAL + [1.5, -1.5, 255.9, 256.0, 300.0, 2.0**31, -(2.0**31), 2.0**63, 1e10,
                                    16777217.0, 0.1], NP[source])
        elif source == "bool":
            x = np.array([0, 1], np.bool_)
        else:
            x = np.array(EDGES[source] + ([16777217, -300, 2**31 - 129] if source == "i32" else
                                          [2**53 + 1, 2**40 + 2**16 + 1, 9007199791611905]
                                          if source == "i64" else [200]), NP[source])
        y = each(lambda v: convert(v, to), x)
        if to == "bool":
            y = y.astype(np.bool_)
        elif to in FLOATS:
            # NumPy rounds an integer once; object arrays would go by way of Python's float.
            y = x.astype(NP[to])
        else:
            y = cast(y, to)
        case("convert", [x], y, dtype=to)

# Shape -------------------------------------------------------------------------------------------

for dtype, shape in [("f32", (2, 3, 4)), ("i32", (2, 3, 4)), ("bool", (4, 3, 2))]:
    x = draw(rng("shape", dtype), dtype, shape, -99, 99)
    n = x.size
    case("reshape", [x], x.reshape(n // 6, 6), shape=[n // 6, 6])
    case("transpose", [x], x.transpose(2, 0, 1), permutation=[2, 0, 1])
    case("transpose", [x], x.transpose(0, 2, 1), permutation=[0, 2, 1])
    case("broadcast", [x[:, :1]], np.broadcast_to(x[:, :1], (shape[0], 5, shape[2])),
         shape=[shape[0], 5, shape[2]], axes=[0, 1, 2])
    case("broadcast", [x[0, 0]], np.broadcast_to(x[0, 0], (3, shape[2])), shape=[3, shape[2]], axes=[1])
    case("slice", [x], x[1:2, 0:3:2, 1:], start=[1, 0, 1], limit=[2, 3, shape[2]], stride=[1, 2, 1])
    case("slice", [x], x[0:0], start=[0, 0, 0], limit=[0, 3, shape[2]], stride=[1, 1, 1])
    case("reverse", [x], x[::-1, :, ::-1], axes=[0, 2])
    case("concatenate", [x, x[:, :1], x], np.concatenate([x, x[:, :1], x], 1), axis=1)
    case("concatenate", [x, x[:1]], np.concatenate([x, x[:1]], 0), axis=0)

for dtype in ["f32", "i64", "bool"]:
    for low, high, interior in [([1, 0], [2, 1], [0, 0]), ([-1, 1], [0, -2], [0, 1]),
                                ([0, -3], [0, 2], [2, 3])]:
        x = draw(rng("pad", dtype, low), dtype, (3, 4), -9, 9)
        fill = draw(rng("fill", dtype, low), dtype, (), -9, 9)
        # Spread, surround by the positive pads, cut by the negative ones.
        y = np.full([n + (n - 1) * i for n, i in zip(x.shape, interior)], fill, x.dtype)
        y[tuple(slice(None, None, i + 1) for i in interior)] = x
        y = np.pad(y, [(max(l, 0), max(h, 0)) for l, h in zip(low, high)], constant_values=fill)
        y = y[tuple(slice(max(-l, 0), n - max(-h, 0)) for l, h, n in zip(low, high, y.shape))]
        case("pad", [x, fill], y, low=low, high=high, interior=interior)

for dtype in FLOATS + INTS:
    y = np.broadcast_to(np.arange(3)[:, None], (2, 3, 2)).astype(NP[dtype])
    case("iota", [], y, dtype=dtype, shape=[2, 3, 2], axis=1)
case("constant", [], np.array([1.5, -0.0], np.float32), value="f32[2]:1.5;-0.0")

# Reductions --------------------------------------------------------------------------------------

for dtype in FLOATS + INTS:
    wide = np.float64 if dtype in FLOATS else object
    for axes in [[1], [0], [0, 2], [0, 1, 2], []]:
        x = draw(rng("reduce", dtype, axes), dtype, (3, 4, 5), -3, 3)
        if dtype in FLOATS and axes == [1]:
            x[0, 1, 0], x[0, 3, 0], x[1, 2, 3], x[2, 0, 0] = math.nan, math.nan, math.inf, -math.inf
        t = tuple(axes)
        if not t:
            for op in ["reduceSum", "reduceProduct", "reduceMax", "reduceMin"]:
                case(op, [x], x, axes=axes)
            continue
        case("reduceSum", [x], cast(np.sum(x.astype(wide), t), dtype), 8, True, axes=axes)
        case("reduceProduct", [x], cast(np.prod(x.astype(wide), t), dtype), 64, axes=axes)
        case("reduceMax", [x], np.max(x, t), axes=axes)
        case("reduceMin", [x], np.min(x, t), axes=axes)
        if len(t) == 1:
            case("argMax", [x], np.argmax(x, axes[0]).astype(np.int32), axis=axes[0])
            case("argMin", [x], np.argmin(x, axes[0]).astype(np.int32), axis=axes[0])

# Contractions ------------------------------------------------------------------------------------

for dtype in FLOATS + ["i32"]:
    for formula, lb, rb, lc, rc, xs, ys in [
        ("ik,kj->ij", [], [], [1], [0], (3, 4), (4, 5)), ("ki,kj->ij", [], [], [0], [0], (4, 3), (4, 5)),
        ("ik,jk->ij", [], [], [1], [1], (3, 4), (5, 4)), ("bik,bkj->bij", [0], [0], [2], [1], (2, 3, 4), (2, 4, 5)),
        ("kil,lkj->ij", [], [], [0, 2], [1, 0], (2, 3, 4), (4, 2, 5)), ("i,j->ij", [], [], [], [], (3,), (2,)),
    ]:
        x, y = draw(rng(formula, dtype, 0), dtype, xs), draw(rng(formula, dtype, 1), dtype, ys)
        wide = np.float64 if dtype in FLOATS else np.int64
        z = np.einsum(formula, x.astype(wide), y.astype(wide))
        case("dot", [x, y], cast(z, dtype), 16, True, leftBatch=lb, rightBatch=rb, leftContract=lc,
             rightContract=rc)

GEOMETRIES = [  # input, kernel, strides, pads (top, bottom, left, right), dilations, groups, in, out
    ((5, 6), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 2, 3), ((5, 6), (3, 2), (2, 1), (0, 1, 1, 0), (1, 1), 1, 3, 2),
    ((7, 7), (2, 3), (1, 2), (0, 0, 2, 2), (3, 2), 1, 1, 2), ((4, 5), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 4, 4, 4),
    ((6, 6), (2, 2), (2, 2), (-1, 0, 0, -1), (1, 1), 2, 4, 6),
]


def places(extent, window, stride, low, high, dilation):
    """[output extent, window] → the input's index, −1 outside."""
    count = (extent + low + high - dilation * (window - 1) - 1) // stride + 1
    at = np.arange(count)[:, None] * stride - low + np.arange(window)[None, :] * dilation
    return np.where((at >= 0) & (at < extent), at, -1)


def selector(extent, *geometry):
    """[output extent, window, input extent]: 1 where the window reads that input."""
    return (places(extent, *geometry)[:, :, None] == np.arange(extent)).astype(np.float64)


for number, ((ih, iw), (kh, kw), s, p, d, groups, ic, oc) in enumerate(GEOMETRIES):
    rows, cols = selector(ih, kh, s[0], p[0], p[1], d[0]), selector(iw, kw, s[1], p[2], p[3], d[1])
    grouping = np.zeros((ic, ic // groups, oc))  # input channel, channel in its group, output channel
    for c in range(ic):
        g = c // (ic // groups)
        grouping[c, c % (ic // groups), g * (oc // groups):(g + 1) * (oc // groups)] = 1
    attributes = dict(input=[ih, iw], kernel=[kh, kw], strides=list(s), padding=list(p), dilations=list(d),
                      groups=groups)
    for dtype in FLOATS:
        r = rng("conv", number, dtype)
        x, w = draw(r, dtype, (2, ih, iw, ic)), draw(r, dtype, (kh, kw, ic // groups, oc))
        dy = draw(r, dtype, (2, rows.shape[0], cols.shape[0], oc))
        xd, wd, dyd = (a.astype(np.float64) for a in (x, w, dy))
        tensors = dict(optimize=True)
        case("conv2d", [x, w], cast(np.einsum("nhwc,iuh,jvw,cgo,uvgo->nijo", xd, rows, cols, grouping, wd, **tensors), dtype), 32, True, **attributes)
        case("conv2dInputGradient", [dy, w], cast(np.einsum("nijo,iuh,jvw,cgo,uvgo->nhwc", dyd, rows, cols, grouping, wd, **tensors), dtype), 32, True, **attributes)
        case("conv2dFilterGradient", [x, dy], cast(np.einsum("nhwc,iuh,jvw,cgo,nijo->uvgo", xd, rows, cols, grouping, dyd, **tensors), dtype), 64, True, **attributes)

# Windows -----------------------------------------------------------------------------------------

for number, ((ih, iw), (kh, kw), s, p, d) in enumerate([
    ((6, 6), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), ((5, 7), (3, 3), (2, 1), (1, 1, 1, 0), (1, 1)),
    ((7, 6), (2, 3), (1, 2), (0, 1, 0, 0), (2, 1)), ((3, 3), (2, 2), (3, 3), (3, 0, 3, 0), (1, 1)),
]):
    row, col = places(ih, kh, s[0], p[0], p[1], d[0]), places(iw, kw, s[1], p[2], p[3], d[1])
    oh, ow = len(row), len(col)
    attributes = dict(input=[ih, iw], window=[kh, kw], strides=list(s), padding=list(p), dilations=list(d))
    for dtype in FLOATS:
        r = rng("window", number, dtype)
        x = draw(r, dtype, (2, ih, iw, 3))
        x[0, 1, 1, 0], x[0, 2, 2, 0], x[1, 0, 0, 1] = math.nan, math.nan, math.inf
        finite = draw(r, dtype, (2, ih, iw, 3))
        dy = draw(r, dtype, (2, oh, ow, 3))
        index = r.integers(-1, kh * kw + 1, (2, oh, ow, 3)).astype(np.int32)
        best, where = np.full(dy.shape, -np.inf, x.dtype), np.full(dy.shape, -1, np.int32)
        sums, spread = np.zeros(dy.shape), np.zeros(x.shape)
        gathered, scattered = np.zeros(dy.shape, x.dtype), np.zeros(x.shape)
        for n, i, j, c in np.ndindex(dy.shape):
            inside = [(u * kw + v, (n, row[i, u], col[j, v], c)) for u in range(kh) for v in range(kw)
                      if row[i, u] >= 0 and col[j, v] >= 0]
            o = (n, i, j, c)
            if inside:
                values = np.array([x[at] for _, at in inside])
                k = int(np.argmax(values))  # the first NaN, else the first maximum
                best[o], where[o] = values[k], inside[k][0]
            for place, at in inside:
                sums[o] += float(finite[at])
                spread[at] += float(dy[o])
                if place == index[o]:
                    gathered[o] = finite[at]
                    scattered[at] += float(dy[o])
        case("maxWindow", [x], [best, where], **attributes)
        case("sumWindow", [finite], cast(sums, dtype), 16, True, **attributes)
        case("sumWindowTranspose", [dy], cast(spread, dtype), 16, True, **attributes)
        case("windowGather", [finite, index], gathered, **attributes)
        case("windowScatter", [dy, index], cast(scattered, dtype), 16, True, **attributes)

# Indexing ----------------------------------------------------------------------------------------

for dtype in FLOATS + INTS:
    for axis, shape, indices in [(0, (5, 3), (4,)), (1, (3, 4), (2, 3)), (1, (2, 5, 3), ()), (2, (2, 3, 7), (9,))]:
        for kind in ["i32", "i64"]:
            r = rng("gather", dtype, axis, shape, kind)
            x, index = draw(r, dtype, shape, 0, 9), draw(r, kind, indices, -2, shape[axis] + 1)
            clamped = np.clip(index, 0, shape[axis] - 1).astype(np.int64)
            case("gather", [x, index], np.take(x, clamped, axis), axis=axis)
            updates = draw(r, dtype, np.take(x, clamped, axis).shape, 0, 9)
            wide = np.moveaxis(x.astype(np.float64 if dtype in FLOATS else np.int64), axis, 0).copy()
            dims = clamped.ndim
            moved = np.moveaxis(updates, list(range(axis, axis + dims)), list(range(dims)))
            np.add.at(wide, clamped, moved)
            placed = np.moveaxis(x, axis, 0).copy()
            for at in np.ndindex(clamped.shape):  # in order: the last of equal indices stays
                placed[clamped[at]] = moved[at]
            case("scatterSet", [x, index, updates], np.moveaxis(placed, 0, axis), axis=axis)
            case("scatterAdd", [x, index, updates], cast(np.moveaxis(wide, 0, axis), dtype), 8, True, axis=axis)

# Along an axis -----------------------------------------------------------------------------------

for dtype in FLOATS + INTS:
    wide = np.float64 if dtype in FLOATS else object
    for axis in range(3):
        r = rng("along", dtype, axis)
        x = draw(r, dtype, (3, 4, 5), -3, 3)
        for kind in ["i32", "i64"]:
            shape = [3, 4, 5]
            shape[axis] = 6
            index = draw(r, kind, tuple(shape), -2, 5)
            clamped = np.clip(index, 0, x.shape[axis] - 1).astype(np.int64)
            case("takeAlong", [x, index], np.take_along_axis(x, clamped, axis), axis=axis)
            updates = draw(r, dtype, tuple(shape), 0, 9)
            sums = np.zeros((3, 4, 5), np.float64 if dtype in FLOATS else np.int64)
            for place in np.ndindex(*shape):
                at = list(place)
                at[axis] = clamped[place]
                sums[tuple(at)] += updates[place]
            case("addAlong", [index, updates], cast(sums, dtype), 8, True, axis=axis, extent=x.shape[axis])
        if dtype in FLOATS:
            x[0, 1, 2], x[1, 2, 3], x[2, 0, 0], x[1, 3, 1], x[1, 0, 1] = math.nan, math.inf, -math.inf, 0.0, -0.0
        for reverse in [False, True]:
            def turned(a):
                return np.flip(a, axis) if reverse else a
            for exclusive in [False, True]:
                for op, f, neutral in [("cumulativeSum", np.add, 0), ("cumulativeProduct", np.multiply, 1)]:
                    y = f.accumulate(turned(x).astype(wide), axis)
                    if exclusive:
                        first = np.full_like(np.take(y, [0], axis), neutral)
                        y = np.concatenate([first, np.delete(y, -1, axis)], axis)
                    case(op, [x], cast(turned(y), dtype), 4, True, axis=axis, exclusive=exclusive, reverse=reverse)
            for minimum in [False, True]:
                places = np.empty(x.shape, np.int32)
                lines, out = np.moveaxis(x, axis, -1), np.moveaxis(places, axis, -1)
                for row in np.ndindex(lines.shape[:-1]):
                    steps = list(range(lines.shape[-1]))
                    if reverse:
                        steps.reverse()
                    for k in range(len(steps)):
                        seen = lines[row][steps[:k + 1]]
                        out[row][steps[k]] = steps[int((np.argmin if minimum else np.argmax)(seen))]
                case("cumulativeExtreme", [x], places, axis=axis, minimum=minimum, reverse=reverse)
            if dtype in FLOATS:
                a, b = draw(r, dtype, (3, 4, 5), -1, 1), draw(r, dtype, (3, 4, 5))
                ta, tb = (np.moveaxis(turned(v), axis, 0).astype(np.float64) for v in (a, b))
                y = np.zeros_like(tb)
                for k in range(len(y)):
                    y[k] = tb[k] + (ta[k] * y[k - 1] if k else 0)
                case("linearRecurrence", [a, b], cast(turned(np.moveaxis(y, 0, axis)), dtype), 16, True,
                     axis=axis, reverse=reverse)
        for flag in [False, True]:
            # Python's sort is stable; NaN last both ways.
            def order(v):
                sign = -1 if flag else 1
                return sorted(range(len(v)), key=lambda k: (v[k] != v[k], 0 if v[k] != v[k] else sign * v[k].item()))
            case("argSort", [x], np.apply_along_axis(order, axis, x).astype(np.int32), axis=axis, descending=flag)

            def first(v):
                def key(k):
                    nan = v[k] != v[k]
                    return (not nan if flag else nan, 0 if nan else (-v[k].item() if flag else v[k].item()))
                return sorted(range(len(v)), key=key)[:2]
            case("argTop", [x], np.apply_along_axis(first, axis, x).astype(np.int32), axis=axis, count=2, largest=flag)

# Random ------------------------------------------------------------------------------------------


def philox(seed, step, stream, position):
    """Word `position` of Philox4x32-10, from the paper (Salmon et al., SC 2011)."""
    m, block = 0xFFFFFFFF, position // 4
    x = [block & m, stream & m, step & m, (step >> 32 & m) ^ (block >> 32 & m)]
    k = [seed & m, seed >> 32 & m]
    for _ in range(10):
        a, c = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [c >> 32 ^ x[1] ^ k[0], c & m, a >> 32 ^ x[3] ^ k[1], a & m]
        k = [(k[0] + 0x9E3779B9) & m, (k[1] + 0xBB67AE85) & m]
    return x[position % 4]


def uniform(seed, step, stream, q, dtype):
    if dtype == "f32":
        return (philox(seed, step, stream, q) >> 8) * 2.0**-24
    high, low = philox(seed, step, stream, 2 * q) >> 5, philox(seed, step, stream, 2 * q + 1) >> 6
    return (high * 2**26 + low) * 2.0**-53


def normal(seed, step, stream, q, dtype):
    u1 = 1 - uniform(seed, step, stream, q & ~1, dtype)
    angle = 2 * math.pi * uniform(seed, step, stream, q | 1, dtype)
    radius = math.sqrt(-2 * math.log(u1))
    return radius * (math.sin(angle) if q & 1 else math.cos(angle))


for seed, step, stream in [(0, 0, 0), (42, 7, 3), (-1, 2**40 + 5, 2**32 - 1)]:
    operands = [np.array(seed, np.int64), np.array(step, np.int64)]
    words = [philox(seed % 2**64, step, stream, q) for q in range(10)]
    case("randomBits", operands, cast(np.array(words, dtype=object), "i32"), shape=[10], stream=stream)
    for dtype in FLOATS:
        y = np.array([uniform(seed % 2**64, step, stream, q, dtype) for q in range(10)])
        case("randomUniform", operands, cast(y, dtype), shape=[10], dtype=dtype, stream=stream)
        y = np.array([normal(seed % 2**64, step, stream, q, dtype) for q in range(10)])
        case("randomNormal", operands, cast(y, dtype), 8, shape=[10], dtype=dtype, stream=stream)

assert philox(0, 0, 0, 0) == 0x6627E8D5, "Random123's known answer for a zero key and counter"

unary("gelu", lambda x: x * 0.5 * (1 + scipy.special.erf(x * 0.5**0.5)), -1, 4, ulp=128, specials=SMALL)
unary("geluSlope", lambda x: (1 + scipy.special.erf(x * 0.5**0.5)) * 0.5
      + x * (np.exp(x * x * -0.5) / math.sqrt(2 * math.pi)), -0.5, 4, ulp=64, specials=SMALL)


def attention(q, k, v, causality, scale, mask, lengths, dy=None, lse=None, delta=None):
    """The plain formula over [B, H, T, D] in float64; NaN where nobody looks stays there."""
    b, h, t, d = q.shape
    group, s = h // k.shape[1], k.shape[2]
    k, v = (np.repeat(x, group, 1) for x in (k, v))
    length = np.clip(lengths, 0, s) if lengths is not None else np.full(b, s)
    j, i = np.arange(s), np.arange(t)[:, None]
    seen = np.broadcast_to(j < length[:, None, None, None], (b, h, t, s))
    if causality == "fromStart":
        seen = seen & (j <= i)
    if causality == "toEnd":
        seen = seen & (j <= i + (length - t)[:, None, None, None])
    x = np.einsum("bhtd,bhsd->bhts", q, k) * scale
    if mask is not None and mask.dtype == bool:
        seen = seen & mask
    elif mask is not None:
        seen, x = seen & (mask > -np.inf), x + mask
    x = np.where(seen, x, -np.inf)
    if dy is None:
        largest = np.max(x, -1, keepdims=True)
        largest = np.where(np.isfinite(largest), largest, 0)
        e = np.exp(x - largest)
        total = e.sum(-1, keepdims=True)
        p = e / np.where(total == 0, 1, total)
        with np.errstate(divide="ignore"):
            lse = (np.log(total) + largest)[..., 0]
        return np.einsum("bhts,bhsd->bhtd", p, np.where(np.isnan(v), 0, v)), lse
    finite = np.where(lse > -np.inf, lse, np.inf)
    p = np.where(seen, np.exp(x - finite[..., None]), 0)
    ds = np.where(p == 0, 0, p * (np.einsum("bhtd,bhsd->bhts", dy, v) - delta[..., None])) * scale
    dq = np.einsum("bhts,bhsd->bhtd", ds, np.where(np.isnan(k), 0, k))
    dk, dv = np.einsum("bhts,bhtd->bhsd", ds, q), np.einsum("bhts,bhtd->bhsd", p, dy)
    return dq, *(x.reshape(b, h // group, group, s, d).sum(2) for x in (dk, dv))


for number, (layout, causality, sizes, kind) in enumerate([
        ("headsFirst", "none", (2, 2, 2, 3, 5, 4), None), ("headsFirst", "fromStart", (1, 4, 2, 9, 6, 3), "bool"),
        ("sequenceFirst", "toEnd", (3, 2, 1, 2, 7, 5), "lengths"), ("packed", "fromStart", (2, 2, 2, 6, 6, 3), "add"),
        ("packed", "none", (3, 2, 2, 5, 5, 2), "lengths"), ("headsFirst", "none", (1, 1, 1, 9, 135, 3), "add")]):
    b, h, g, t, s, d = sizes
    r = rng("attention", str(number))
    for dtype in FLOATS:
        q = draw(r, dtype, (b, h, t, d))
        k, v = draw(r, dtype, (b, g, s, d)), draw(r, dtype, (b, g, s, d))
        dy, delta = draw(r, dtype, (b, h, t, d)), draw(r, dtype, (b, h, t))
        mask = lengths = None
        if kind == "bool":
            mask = np.array(r.integers(0, 2, (1, h, 1, s)), bool)
            mask[..., 0] = False  # the first query sees nothing
            k[:, :, 0], v[:, :, 0] = np.nan, np.nan
        if kind == "add":
            mask = draw(r, dtype, (b, 1, t, s))
            mask[:, :, :, 2] = -np.inf
        if kind == "lengths":
            lengths = np.array([s, 0, 3], np.int32)
            if layout != "packed":
                k[2, :, 3:], v[2, :, 3:] = np.nan, np.nan
        wide = [x if x is None or x.dtype == bool else x.astype(np.float64) for x in (q, k, v)]
        wide_mask = mask if mask is None or mask.dtype == bool else mask.astype(np.float64)
        rest = [x for x in (mask, lengths) if x is not None]
        o, lse = attention(*wide, causality, 0.5, wide_mask, lengths)
        lse = cast(lse, dtype)
        shares = attention(*wide, causality, 0.5, wide_mask, lengths, dy.astype(np.float64),
                           lse.astype(np.float64), delta.astype(np.float64))

        def laid(x):
            return x if layout == "headsFirst" else x.transpose(0, 2, 1, 3)

        def joined(*parts):
            parts = [laid(x) for x in parts]
            return [np.stack(parts, 2)] if layout == "packed" else parts

        attributes = dict(layout=f'"{layout}"', causality=f'"{causality}"', scale=0.5, mask=mask is not None,
                          lengths=lengths is not None)
        operands = joined(q, k, v) + rest
        case("attention", operands, [cast(laid(o), dtype), lse], 64, True, **attributes)
        case("attentionGradient", operands + [laid(dy), lse, delta],
             [cast(x, dtype) for x in joined(*shares)], 256, True, **attributes)

# Products of bytes, of weights in panels of 16 columns and groups of four ----------------------------


def packed_filter(w, share=1, shift=0):
    """`share` outputs side by side among the columns, each `shift` elements further down a run."""
    runs, run, columns = w.shape
    wide = np.zeros((runs, run + (share - 1) * shift, share * columns), w.dtype)
    for q in range(share):
        wide[:, q * shift:q * shift + run, q * columns:(q + 1) * columns] = w
    w, (runs, run, columns) = wide, wide.shape
    padded = np.zeros((runs, (run + 3) // 4 * 4, (columns + 15) // 16 * 16), w.dtype)
    padded[:, :run, :columns] = w
    groups = padded.reshape(runs, padded.shape[1] // 4, 4, padded.shape[2] // 16, 16)
    return groups.transpose(3, 0, 1, 4, 2).ravel()


def byte_operands(x_shape, w_shape):
    r = rng("bytes", x_shape, w_shape)
    return (r.integers(0, 256, x_shape).astype(np.uint8), r.integers(-128, 128, w_shape).astype(np.int8))


for shape, share, shift in [((1, 4, 16), 1, 0), ((3, 6, 5), 1, 0), ((2, 9, 33), 1, 0), ((1, 1, 1), 1, 0),
                            ((5, 5, 6), 4, 1), ((2, 6, 5), 7, 3)]:
    w = byte_operands((1,), shape)[1]
    case("packFilter", [w], packed_filter(w, share, shift), share=share, shift=shift)
for shape, columns in [((3, 8), 5), ((1, 7), 1), ((9, 36), 19), ((2, 3, 4), 40), ((5,), 2)]:
    x, w = byte_operands(shape, (shape[-1], columns))
    case("integerDot", [x, packed_filter(w[None])], (x.astype(np.int64) @ w.astype(np.int64)).astype(np.int32),
         columns=columns)
for shape, window, columns, strides, pads, dilations, zero, share, pool in [
        ((2, 6, 5, 3), (3, 3), 5, (1, 1), (1, 1, 1, 1), (1, 1), 7, 1, (1, 1)),
        ((1, 7, 8, 4), (3, 2), 18, (2, 3), (0, 1, 1, 0), (1, 1), 128, 1, (1, 1)),
        ((1, 8, 7, 2), (2, 3), 3, (1, 1), (1, 2, 0, 1), (2, 2), 255, 1, (1, 1)),
        ((2, 4, 4, 8), (1, 1), 4, (2, 2), (0, 0, 0, 0), (1, 1), 0, 1, (1, 1)),
        ((2, 8, 8, 1), (5, 5), 6, (1, 1), (2, 2, 2, 2), (1, 1), 9, 4, (2, 2)),
        ((1, 9, 10, 3), (3, 2), 7, (2, 2), (1, 0, 1, 1), (1, 1), 11, 2, (2, 3))]:
    x, w = byte_operands(shape, window + (shape[3], columns))
    image = np.pad(x.astype(np.int64), ((0, 0), pads[:2], pads[2:], (0, 0)), constant_values=zero)
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, window)]
    views = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(1, 2))
    views = views[:, ::strides[0], ::strides[1], :, ::dilations[0], ::dilations[1]]
    y = np.einsum("nijcuv,uvco->nijo", views, w.astype(np.int64)).astype(np.int32)
    y = y[:, :y.shape[1] // pool[0] * pool[0], :y.shape[2] // pool[1] * pool[1]]
    y = y.reshape(len(y), y.shape[1] // pool[0], pool[0], y.shape[2] // pool[1], pool[1], columns).max((2, 4))
    rows = w.reshape((-1, shape[3], columns) if dilations[1] > 1 else (window[0], -1, columns))
    shift = strides[1] * shape[3] if share > 1 else 0
    case("integerConv2d", [x, packed_filter(rows, share, shift)], y, input=list(shape[1:3]), kernel=list(window),
         strides=list(strides), padding=list(pads), dilations=list(dilations), groups=1, columns=columns, zero=zero,
         share=share, windows=list(pool))

for shape, window, strides, pads, dilations in [
        ((2, 6, 7, 3), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), ((1, 5, 6, 20), (3, 2), (1, 2), (1, 1, 0, 1), (1, 1)),
        ((1, 7, 8, 2), (2, 3), (2, 1), (1, 0, 2, 1), (2, 2))]:
    x = byte_operands(shape, (1,))[0]
    image = np.pad(x.astype(np.int64), ((0, 0), pads[:2], pads[2:], (0, 0)), constant_values=0)
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, window)]
    views = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(1, 2))
    views = views[:, ::strides[0], ::strides[1], :, ::dilations[0], ::dilations[1]]
    case("byteMaxWindow", [x], views.max((4, 5)).astype(np.uint8), input=list(shape[1:3]), window=list(window),
         strides=list(strides), padding=list(pads), dilations=list(dilations))

OUT.mkdir(parents=True, exist_ok=True)
for old in OUT.glob("*.txt"):
    old.unlink()
for op, blocks in cases.items():
    (OUT / f"{op}.txt").write_text("\n\n".join(blocks) + "\n")
print(f"{len(cases)} operations, {sum(map(len, cases.values()))} cases")
