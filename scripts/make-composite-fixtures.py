#!/usr/bin/env python3
"""Writes Tests/CompositeTests/Fixtures/composites.txt: results and gradients of PyTorch in float64.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make-composite-fixtures.py

A case is a line `case NAME`, then arrays `ROLE dtype[shape] elements...`, where ROLE is `in` (operands
in order), `out` (results in order), `d` (random cotangent of each floating-point result, in order)
and `g` (the cotangent of each floating-point operand, in order). Images are NHWC, filters HWIO.
"""
import functools
import math
import os
import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(20260721)
lines = []


def array(role, x):
    x = np.asarray(x)
    name = {"float64": "f64", "float32": "f32", "int32": "i32", "int64": "i64", "bool": "bool"}[
        str(x.dtype)]
    flat = x.reshape(-1).tolist()
    text = " ".join(("%d" % v) if name[0] in "ib" else repr(float(v)) for v in flat)
    lines.append(f"{role} {name}[{','.join(map(str, x.shape))}] {text}".rstrip())


def case(name, inputs, f, gradient=True):
    """Runs f over float64 (differentiable) and integer inputs."""
    inputs = [np.asarray(x) for x in inputs]
    tensors = [torch.tensor(x) for x in inputs]
    for t in tensors:
        if t.is_floating_point():
            t.requires_grad_(gradient)
    results = f(*tensors)
    if isinstance(results, torch.Tensor):
        results = [results]
    lines.append(f"case {name}")
    for x in inputs:
        array("in", x)
    loss = 0
    cotangents = []
    for y in results:
        y_array = y.detach().numpy()
        array("out", y_array)
        if gradient and y.is_floating_point():
            d = np.round(rng.uniform(-1, 1, y_array.shape), 3)
            cotangents.append(d)
            loss = loss + (y * torch.tensor(d)).sum()
    if gradient:
        for d in cotangents:
            array("d", d)
        wrt = [t for t in tensors if t.is_floating_point()]
        for t, g in zip(wrt, torch.autograd.grad(loss, wrt, allow_unused=True)):
            array("g", (torch.zeros_like(t) if g is None else g).detach().numpy())


def real(*shape, low=-2.0, high=2.0):
    return np.round(rng.uniform(low, high, shape), 3)


def integers(count, *shape, dtype=np.int32):
    return rng.integers(0, count, shape).astype(dtype)


# --- activations: with 0 and large magnitudes
x = np.concatenate([real(9), [0.0, -0.0, 30.0, -30.0, 700.0, -700.0]]).reshape(3, 5)
case("relu", [x], F.relu)
case("leakyRelu", [x], lambda x: F.leaky_relu(x, 0.01))
case("leakyRelu_02", [x], lambda x: F.leaky_relu(x, 0.2))
# F.prelu wants channels on axis 1.
case("prelu", [real(4, 3), real(3, low=0, high=0.5)], lambda x, a: F.prelu(x, a))
case("elu", [x], F.elu)
case("elu_15", [x], lambda x: F.elu(x, alpha=1.5))
case("gelu", [x], F.gelu)
case("gelu_tanh", [np.clip(x, -30, 30)], lambda x: F.gelu(x, approximate="tanh"))
case("sigmoid", [x], torch.sigmoid)
case("silu", [x], F.silu)
case("softplus", [x], lambda x: F.softplus(x, threshold=40))
case("maxout", [real(2, 12)], lambda x: x.reshape(2, 4, 3).max(-1).values)

# --- softmax
x = real(2, 3, 4, low=-5, high=5)
x[0, 0, 0] = 800  # overflows unless the maximum is subtracted
for axis in (-1, 0, 1):
    case(f"softmax_{axis}", [x], lambda x: F.softmax(x, axis))
    case(f"logSoftmax_{axis}", [x], lambda x: F.log_softmax(x, axis))
case("logSumExp", [x], lambda x: torch.logsumexp(x, (0, 1, 2)))
case("logSumExp_axes", [x], lambda x: torch.logsumexp(x, (0, 2), keepdim=True))
infinite = np.array([[-np.inf, -np.inf], [1.0, -np.inf], [np.inf, 2.0]])
case("logSumExp_infinite", [infinite], lambda x: torch.logsumexp(x, 1), gradient=False)

# --- losses
z, y = real(6, 5, low=-4, high=4), integers(5, 6)
case("crossEntropy", [z, y], lambda z, y: F.cross_entropy(z, y.long()))
case("crossEntropy_sum", [z, y.astype(np.int64)], lambda z, y: F.cross_entropy(z, y, reduction="sum"))
case("crossEntropy_none", [z, y], lambda z, y: F.cross_entropy(z, y.long(), reduction="none"))
case("crossEntropy_smooth", [z, y], lambda z, y: F.cross_entropy(z, y.long(), label_smoothing=0.1))
case("crossEntropy_rank3", [real(2, 3, 4), integers(4, 2, 3)],
     lambda z, y: F.cross_entropy(z.permute(0, 2, 1), y.long()))
hidden = z.copy()
hidden[0, (int(y[0]) + 1) % 5] = -np.inf  # a class that is not the label, ruled out
case("crossEntropy_masked", [hidden, y], lambda z, y: F.cross_entropy(z, y.long()))
case("crossEntropy_targets", [z, rng.dirichlet(np.ones(5), 6).round(4)],
     lambda z, p: -(p * F.log_softmax(z, -1)).sum(-1).mean())
a, b = real(3, 4), real(3, 4)
x = np.concatenate([real(8, low=-3), [0.0, 0.0, 500.0, -500.0]]).reshape(3, 4)
case("sigmoidCrossEntropy", [x, np.round(rng.uniform(0, 1, (3, 4)))],
     lambda x, y: F.binary_cross_entropy_with_logits(x, y))
case("meanSquaredError", [a, b], F.mse_loss)
case("meanSquaredError_sum", [a, b], lambda a, b: F.mse_loss(a, b, reduction="sum"))
b[0, 0] = a[0, 0]
case("meanAbsoluteError", [a, b], F.l1_loss)
case("huber", [a, b], lambda a, b: F.huber_loss(a, b, delta=1.0))
case("huber_05_none", [a, b], lambda a, b: F.huber_loss(a, b, delta=0.5, reduction="none"))
case("accuracy", [z, y], lambda z, y: (z.argmax(-1) == y).float().mean(), gradient=False)

# --- statistics and normalisation
x = real(3, 4, 5)
case("mean", [x], torch.mean)
case("mean_axes", [x], lambda x: x.mean((0, 2), keepdim=True))
case("variance", [x], lambda x: x.var((1,), correction=0))
case("variance_unbiased", [x], lambda x: x.var((0, 2), correction=1, keepdim=True))
case("standardDeviation", [x], lambda x: x.std(correction=1))
x, s, b = real(4, 3, 6), real(6), real(6)
case("layerNorm", [x, s, b], lambda x, s, b: F.layer_norm(x, (6,), s, b))
case("layerNorm_plain", [x], lambda x: F.layer_norm(x, (6,), eps=1e-3))
case("layerNorm_axis1", [x, real(3), real(3)],
     lambda x, s, b: F.layer_norm(x.permute(0, 2, 1), (3,), s, b).permute(0, 2, 1))
x, s, b = real(3, 2, 4, 5), real(5), real(5)


def batch_norm(x, s, b):
    y = F.batch_norm(x.permute(0, 3, 1, 2), None, None, s, b, training=True)
    return y.permute(0, 2, 3, 1), x.mean((0, 1, 2)), x.var((0, 1, 2), correction=0)


case("batchNorm", [x, s, b], batch_norm)
case("batchNorm_fixed", [x, s, b, real(5), real(5, low=0.5)],
     lambda x, s, b, m, v: (x - m) / torch.sqrt(v + 1e-5) * s + b)


# --- convolutions
def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(x, w, **options):
    return nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), **options))


def pad(x, top, bottom, left, right):
    return F.pad(x, (0, 0, left, right, top, bottom))


def same(size, window, stride):
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


case("conv2d_valid", [real(2, 6, 5, 3), real(3, 2, 3, 4)], lambda x, w: conv(x, w))
case("conv2d_stride", [real(1, 7, 8, 2), real(3, 3, 2, 3)], lambda x, w: conv(x, w, stride=(2, 3), padding=1))
case("conv2d_same", [real(1, 5, 6, 2), real(3, 2, 2, 3)], lambda x, w: conv(x, w, padding="same"))
case("conv2d_same_stride", [real(1, 7, 8, 2), real(3, 4, 2, 3)],
     lambda x, w: conv(pad(x, *same(7, 3, 2), *same(8, 4, 3)), w, stride=(2, 3)))
case("conv2d_full", [real(1, 4, 5, 2), real(3, 2, 2, 2)], lambda x, w: conv(x, w, padding=(2, 1)))
case("conv2d_explicit", [real(1, 6, 6, 2), real(3, 3, 2, 2)],
     lambda x, w: conv(pad(x, 2, 0, -1, 1), w))
case("conv2d_dilated", [real(1, 8, 9, 2), real(3, 2, 2, 3)], lambda x, w: conv(x, w, dilation=(2, 3)))
case("conv2d_groups", [real(2, 5, 5, 4), real(3, 3, 2, 6)], lambda x, w: conv(x, w, groups=2))
case("conv2d_depthwise", [real(1, 5, 5, 3), real(3, 3, 1, 6)], lambda x, w: conv(x, w, groups=3, padding=1))
case("conv2d_pointwise", [real(2, 3, 3, 4), real(1, 1, 4, 5)], lambda x, w: conv(x, w))


def transposed(x, w, **options):
    # PyTorch's weight is [in, out / groups, KH, KW], ours [KH, KW, out / groups, in].
    return nhwc(F.conv_transpose2d(nchw(x), w.permute(3, 2, 0, 1), **options))


case("conv2dTransposed", [real(1, 3, 4, 2), real(3, 2, 3, 2)], lambda x, w: transposed(x, w))
case("conv2dTransposed_stride", [real(1, 3, 4, 2), real(3, 3, 3, 2)],
     lambda x, w: transposed(x, w, stride=2, padding=1, output_padding=1))
case("conv2dTransposed_groups", [real(1, 3, 4, 4), real(3, 2, 3, 4)],
     lambda x, w: transposed(x, w, stride=(2, 1), dilation=(1, 2), groups=2))

# --- pooling (no two elements are equal: ties have no derivative to compare)
x = (rng.permutation(2 * 7 * 6 * 3).reshape(2, 7, 6, 3) - 126) / 64.0
case("maxPool2d", [x], lambda x: nhwc(F.max_pool2d(nchw(x), 2)))
case("maxPool2d_padded", [x], lambda x: nhwc(F.max_pool2d(nchw(x), (3, 2), stride=(2, 1), padding=1)))
case("maxPool2d_dilated", [x], lambda x: nhwc(F.max_pool2d(nchw(x), 2, stride=1, dilation=(3, 2))))
case("minPool2d", [x], lambda x: -nhwc(F.max_pool2d(-nchw(x), 3, stride=2)))
case("averagePool2d", [x], lambda x: nhwc(F.avg_pool2d(nchw(x), 2)))
case("averagePool2d_padded", [x], lambda x: nhwc(F.avg_pool2d(nchw(x), 3, stride=2, padding=1)))
case("averagePool2d_uncounted", [x],
     lambda x: nhwc(F.avg_pool2d(nchw(x), 3, stride=2, padding=1, count_include_pad=False)))
case("lpPool2d_2", [x], lambda x: nhwc(F.lp_pool2d(nchw(x).abs(), 2.0, 2)))
case("lpPool2d_3", [x], lambda x: nhwc(F.lp_pool2d(nchw(x).abs(), 3.0, (3, 2), stride=2)))
case("globalAveragePool2d", [x], lambda x: x.mean((1, 2)))

# --- indices
case("gather_0", [real(5, 3), integers(5, 4)], lambda x, i: x[i.long()])
case("gather_1", [real(2, 5, 3), integers(5, 2, 3, dtype=np.int64)], lambda x, i: x[:, i])
case("scatterAdd_0", [real(4, 3), integers(4, 9), real(9, 3)], lambda x, i, u: x.index_add(0, i, u))
case("scatterAdd_1", [real(2, 4, 2), integers(4, 5), real(2, 5, 2)], lambda x, i, u: x.index_add(1, i, u))
case("takeAlongAxis", [real(3, 5, 2), integers(5, 3, 4, 2)],
     lambda x, i: torch.take_along_dim(x, i.long(), 1))
case("oneHot", [integers(4, 2, 3)], lambda i: F.one_hot(i.long(), 4).float(), gradient=False)

# --- einsum
for equation, shapes in {
    "ij,jk->ik": [(3, 4), (4, 5)], "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "ij,jk": [(3, 4), (4, 5)], "i,i->": [(6,), (6,)], "i,j->ij": [(3,), (4,)],
    "ij->ji": [(3, 4)], "ij->j": [(3, 4)], "ii->i": [(4, 4)], "ii": [(4, 4)],
    "bhqd,bhkd->bhqk": [(2, 3, 4, 5), (2, 3, 6, 5)], "ij,ij->ij": [(3, 4), (3, 4)],
    "ijk,ilm,njm,nlk->": [(2, 3, 4), (2, 5, 2), (3, 3, 2), (3, 5, 4)],
    "iij,jk->ki": [(3, 3, 2), (2, 4)], "ba,cb,dc->da": [(2, 3), (4, 2), (5, 4)],
    "ij,kl->il": [(2, 3), (4, 5)],
}.items():
    name = "einsum_" + equation
    case(name, [real(*s) for s in shapes], lambda *o: torch.einsum(equation, *o))

# --- rearranging
x = real(2, 3, 4)
case("expandedDims", [x], lambda x: x.unsqueeze(-1))
case("squeezed", [real(1, 3, 1)], lambda x: x.squeeze())
case("flattened", [x], lambda x: x.flatten(1))
case("split_sizes", [x], lambda x: list(x.split([1, 3], 2)))
case("split_into", [x], lambda x: list(x.chunk(2, 2)))
case("unstacked", [x], lambda x: list(x.unbind(1)))
case("stack", [real(2, 3), real(2, 3), real(2, 3)], lambda *o: torch.stack(o, 1))
case("stack_last", [real(2, 3), real(2, 3)], lambda *o: torch.stack(o, -1))
case("clipped", [x], lambda x: x.clamp(-0.75, 1.25))
case("interpolate", [real(3, 4), real(3, 4), real(4)], lambda a, b, t: torch.lerp(a, b, t.expand(3, 4)))

# --- subscripts
x = real(5, 4, 6)
case("subscript_0", [x], lambda x: x[0:3, :, -1])
case("subscript_1", [x], lambda x: x[1, None, ..., 2:])
case("subscript_2", [x], lambda x: x[..., 1:6:2])
case("subscript_3", [x], lambda x: x.flip(0)[:, -3:-1])
case("subscript_4", [x], lambda x: x.flip(2)[:, :, 1::2])
case("subscript_5", [x], lambda x: x[2])
case("subscript_6", [x], lambda x: x[4:, 0:3, 3:3])
case("subscript_7", [x], lambda x: x.flip(1)[:, 0:2])

# --- further activations, away from their corners but for large magnitudes
x = np.concatenate([real(18, low=-7, high=7), [30.0, -30.0, 700.0, -700.0, 0.25, -0.25]]).reshape(4, 6)
for name, f in {"selu": F.selu, "celu": lambda x: F.celu(x, 1.5), "relu6": F.relu6,
                # F.hardsigmoid's gradient takes 1/6 as a float32
                "hardSigmoid": lambda x: F.relu6(x + 3) / 6, "hardSwish": F.hardswish, "hardTanh": F.hardtanh,
                "softsign": F.softsign, "mish": F.mish, "glu": F.glu}.items():
    case(name, [x], f)

# --- further normalisation
x = real(2, 3, 4, 6)
last = lambda f: lambda x, *o: f(x.permute(0, 3, 1, 2), *o).permute(0, 2, 3, 1)
case("rmsNorm", [x, real(6)], lambda x, s: F.rms_norm(x, (6,), s, 1e-6))
case("groupNorm", [x, real(6), real(6)], last(lambda x, s, b: F.group_norm(x, 3, s, b)))
case("instanceNorm", [x, real(6), real(6)], last(lambda x, s, b: F.instance_norm(x, weight=s, bias=b)))

# --- further losses
a, b, c = real(5, 4), real(5, 4), real(5, 4)
signs, bits = np.sign(real(5, 4)), (real(5) > 0).astype(np.float64)
case("hinge", [a, signs], lambda x, y: F.relu(1 - x * y).mean())
case("hinge_squared", [a, signs], lambda x, y: (F.relu(1 - x * y) ** 2).sum())
p, q = real(3, 4, low=0.05, high=0.95), real(3, 4, low=0, high=1)
case("binaryCrossEntropy", [p, q], lambda p, q: F.binary_cross_entropy(p, q), gradient=False)
case("binaryCrossEntropy_none", [p, np.round(q)], lambda p, q: -(q * p.log() + (1 - q) * (1 - p).log()))
q[0, 0] = 0
case("klDivergence", [np.log(p), q], lambda l, q: F.kl_div(l, q, reduction="sum"), gradient=False)
for title, order in {"1": 1, "2": 2, "3": 3, "infinity": math.inf}.items():
    case("norm_" + title, [a], lambda x: torch.linalg.vector_norm(x, order, dim=1))
case("cosineSimilarity", [a, b], lambda a, b: F.cosine_similarity(a, b, dim=1))
case("cosineEmbeddingLoss", [a, b, 2 * bits - 1],
     lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin=0.1), gradient=False)
case("tripletLoss", [a, b, c], lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.7))
case("tripletLoss_squared", [a, b, c],
     lambda a, p, n: F.relu(((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + 0.7).mean())
case("contrastiveLoss", [a, b, bits], lambda a, b, y: (
    y * ((a - b) ** 2).sum(1) / 2 + (1 - y) * F.relu(3 - (a - b).norm(dim=1)) ** 2 / 2).mean())

# --- along an axis
x = real(3, 5, 4)
case("cumulativeSum", [x], lambda x: x.cumsum(1))
case("cumulativeSum_reverse", [x], lambda x: x.flip(2).cumsum(2).flip(2))
case("cumulativeSum_exclusive", [x], lambda x: x.cumsum(0) - x)
y = x.copy()
y[0, 2, 1] = y[1, 1, 3] = y[1, 4, 3] = 0
case("cumulativeProduct", [y], lambda x: x.cumprod(1))
case("cumulativeMax", [x], lambda x: x.cummax(1)[0])
case("cumulativeMin", [x], lambda x: x.flip(1).cummin(1)[0].flip(1))
case("sorted", [x], lambda x: x.sort(1)[0])
case("sorted_descending", [x], lambda x: x.sort(0, descending=True)[0])
case("argsort", [x], lambda x: torch.argsort(x, 2).int(), gradient=False)
case("topK", [x], lambda x: [x.topk(2, 1)[0], x.topk(2, 1)[1].int()])
case("topK_smallest", [x], lambda x: [x.topk(3, 2, largest=False)[0], x.topk(3, 2, largest=False)[1].int()])


def recurrence(a, b):
    y = [b[:, 0]]
    for k in range(1, b.shape[1]):
        y.append(a[:, k] * y[-1] + b[:, k])
    return torch.stack(y, 1)


case("linearRecurrence", [real(3, 6, 2, low=-1, high=1), real(3, 6, 2)], recurrence)

# --- further elementwise functions
angles = real(4, 5, low=-0.95, high=0.95)
for name in ["tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "atanh"]:
    case(name, [angles], getattr(torch, name))
case("acosh", [1.1 + real(4, 5, low=0, high=3)], torch.acosh)
case("atan2", [real(4, 5), real(4, 5)], torch.atan2)
case("reciprocal", [0.5 + real(4, 5, low=0, high=3)], torch.reciprocal)
x = real(4, 5, low=-4, high=4)
case("logSigmoid", [np.append(x, [300.0, -300.0])], F.logsigmoid)
case("hardShrink", [x], lambda x: F.hardshrink(x, 0.75))
case("softShrink", [x], lambda x: F.softshrink(x, 0.75))
case("thresholdedRelu", [x], lambda x: F.threshold(x, 0.5, 0.0))
case("clamp", [x, real(4, 1, low=-2, high=-1), real(5, low=1, high=2)],
     lambda x, l, h: torch.minimum(torch.maximum(x, l), h))

# --- convolutions of sequences and volumes
def conv1(x, w, **options):
    return F.conv1d(x.permute(0, 2, 1), w.permute(2, 1, 0), **options).permute(0, 2, 1)


def conv3(x, w, **options):
    return F.conv3d(x.permute(0, 4, 1, 2, 3), w.permute(4, 3, 0, 1, 2), **options).permute(0, 2, 3, 4, 1)


case("conv1d", [real(2, 7, 3), real(3, 3, 4)], lambda x, w: conv1(x, w, stride=2, padding=1))
case("conv1d_same", [real(2, 7, 4), real(3, 2, 4)], lambda x, w: conv1(x, w, padding="same", dilation=2, groups=2))
case("conv1dTransposed", [real(2, 4, 3), real(3, 2, 3)],
     lambda x, w: F.conv_transpose1d(x.permute(0, 2, 1), w.permute(2, 1, 0), stride=2, padding=1,
                                     output_padding=1).permute(0, 2, 1))
case("conv3d", [real(1, 4, 5, 4, 2), real(2, 3, 2, 2, 3)], lambda x, w: conv3(x, w))
case("conv3d_stride", [real(2, 5, 4, 5, 2), real(3, 2, 3, 2, 2)],
     lambda x, w: conv3(x, w, stride=(2, 1, 2), padding=(1, 0, 1)))
case("conv3d_groups", [real(1, 5, 4, 4, 4), real(2, 2, 2, 2, 6)],
     lambda x, w: conv3(x, w, groups=2, dilation=(2, 1, 2)))
case("conv3d_same", [real(1, 4, 3, 5, 1), real(3, 3, 3, 1, 2)], lambda x, w: conv3(x, w, padding="same"))


def transposed3(x, w, **options):
    return F.conv_transpose3d(x.permute(0, 4, 1, 2, 3), w.permute(4, 3, 0, 1, 2), **options).permute(0, 2, 3, 4, 1)


case("conv3dTransposed", [real(1, 3, 2, 3, 2), real(2, 3, 2, 3, 2)], lambda x, w: transposed3(x, w))
case("conv3dTransposed_stride", [real(1, 2, 3, 2, 2), real(3, 3, 3, 2, 2)],
     lambda x, w: transposed3(x, w, stride=2, padding=1, output_padding=1))
case("conv3dTransposed_groups", [real(2, 2, 2, 3, 4), real(2, 2, 2, 3, 4)],
     lambda x, w: transposed3(x, w, stride=(2, 1, 2), dilation=(2, 1, 1), groups=2))
case("depthwiseConv2d", [real(2, 5, 5, 3), real(3, 3, 3, 2)],
     lambda x, w: nhwc(F.conv2d(nchw(x), w.permute(2, 3, 0, 1).reshape(6, 1, 3, 3), padding=1, groups=3)))
case("separableConv2d", [real(1, 5, 5, 3), real(3, 3, 3, 2), real(6, 4)],
     lambda x, w, p: nhwc(F.conv2d(nchw(x), w.permute(2, 3, 0, 1).reshape(6, 1, 3, 3), groups=3)) @ p)

# --- further pooling
x = (rng.permutation(2 * 7 * 3).reshape(2, 7, 3) - 21) / 16.0
ncw = lambda f: lambda x: f(x.permute(0, 2, 1)).permute(0, 2, 1)
case("maxPool1d", [x], ncw(lambda x: F.max_pool1d(x, 3, stride=2, padding=1)))
case("averagePool1d", [x], ncw(lambda x: F.avg_pool1d(x, 3, stride=2, padding=1, count_include_pad=False)))
case("lpPool1d", [x], ncw(lambda x: F.lp_pool1d(x.abs(), 3.0, 2)))
x = (rng.permutation(2 * 5 * 4 * 6 * 2).reshape(2, 5, 4, 6, 2) - 240) / 64.0
volumes = lambda f: lambda x: f(x.permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)
case("maxPool3d", [x], volumes(lambda x: F.max_pool3d(x, (3, 2, 2), stride=(2, 2, 1), padding=(1, 0, 1))))
case("averagePool3d", [x], volumes(lambda x: F.avg_pool3d(x, 2)))
case("averagePool3d_uncounted", [x],
     volumes(lambda x: F.avg_pool3d(x, 3, stride=2, padding=1, count_include_pad=False)))
x = (rng.permutation(2 * 7 * 6 * 3).reshape(2, 7, 6, 3) - 126) / 64.0
case("globalMaxPool2d", [x], lambda x: x.amax((1, 2)))
case("globalLpPool2d", [x], lambda x: torch.linalg.vector_norm(x, 3, dim=(1, 2)))
case("adaptiveAveragePool2d", [x], lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), (3, 2))))
case("adaptiveMaxPool2d", [x], lambda x: nhwc(F.adaptive_max_pool2d(nchw(x), (5, 4))))

# --- padding with own elements
x = real(2, 4, 5)
case("padded_reflect", [x], lambda x: F.pad(x, (3, 1), mode="reflect"))
case("padded_edge", [x], lambda x: F.pad(x[None], (3, 1, 0, 2), mode="replicate")[0])
case("padded_wrap", [x], lambda x: F.pad(x[None], (2, 5, 1, 0), mode="circular")[0])
case("padded_symmetric", [x], lambda x: torch.cat([x[:, :, :3].flip(2), x, x[:, :, 3:].flip(2)], 2))
for title, order in {"2": 2, "infinity": math.inf}.items():
    case("normError_" + title, [a, b], lambda x, y: torch.linalg.vector_norm(x - y, order, dim=1).mean())

# --- combinations and edges; what follows `@` is read by FixtureTests
def numbers(*x):
    return ",".join(map(str, x))


def pads(x, p, value=0.0):
    return F.pad(nchw(x), (p[2], p[3], p[0], p[1]), value=value)


for _ in range(8):
    groups = int(rng.integers(1, 4))
    k, s, d = rng.integers(1, 4, 2), rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    p = rng.integers(-1, 4, 4)
    extent = (k - 1) * d + 1 + rng.integers(1, 5, 2)
    x, w = real(2, *extent, 2 * groups), real(*k, 2, groups * int(rng.integers(1, 4)))
    if min(extent + p[[0, 2]] + p[[1, 3]] - (k - 1) * d) < 1:
        p = np.array([1, 2, 0, 1])
    case(f"conv2d@{numbers(*s)};{numbers(*d)};{numbers(*p)};{groups}", [x, w], lambda x, w: nhwc(F.conv2d(
        pads(x, p), w.permute(3, 2, 0, 1), stride=tuple(s), dilation=tuple(d), groups=groups)))
for _ in range(5):
    groups = int(rng.integers(1, 3))
    k, s, d = rng.integers(1, 4, 2), rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    p = int(min((k - 1) * d) // 2)
    o = [int(rng.integers(0, max(s[i], d[i]))) for i in range(2)]
    x, w = real(1, *rng.integers(2, 5, 2), 2 * groups), real(*k, 3, 2 * groups)
    case(f"conv2dTransposed@{numbers(*s)};{numbers(*d)};{p};{numbers(*o)};{groups}", [x, w],
         lambda x, w: transposed(x, w, stride=tuple(s), dilation=tuple(d), padding=p, output_padding=tuple(o),
                                 groups=groups))
for _ in range(5):
    w, s, d = rng.integers(1, 4, 2), rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    # PyTorch pads by half a window at most, ours by anything: as much as leaves an element in each.
    p = [int(rng.integers(0, (w[i // 2] + 1) // 2)) for i in range(4)]
    x = (rng.permutation(2 * 8 * 9 * 2).reshape(2, 8, 9, 2) - 144) / 64.0
    case(f"maxPool2d@{numbers(*w)};{numbers(*s)};{numbers(*p)};{numbers(*d)}", [x], lambda x: nhwc(
        F.max_pool2d(pads(x, p, -math.inf), tuple(w), stride=tuple(s), dilation=tuple(d))))
    p = [int(q) for q in np.repeat([p[0], p[2]], 2)]
    for counts in (True, False):
        case(f"averagePool2d@{numbers(*w)};{numbers(*s)};{numbers(*p)};{int(counts)}", [x], lambda x: nhwc(
            F.avg_pool2d(nchw(x), tuple(w), stride=tuple(s), padding=(p[0], p[2]), count_include_pad=counts)))

shapes = {(3, 1, 4): [[0], [-1, 0], [1], [0, 1, 2]], (): [[]], (2, 0, 3): [[1], [0, 1, 2], [0]], (1,): [[0]]}
for shape, all_axes in shapes.items():
    for axes in all_axes:
        for keep in (False, True):
            place = f"{numbers(*axes)};{int(keep)}"
            x = real(*shape)
            case(f"sum@{place}", [x], lambda x: x.sum(axes, keepdim=keep) if axes else x)
            case(f"product@{place}", [x], lambda x: functools.reduce(
                lambda x, a: x.prod(a, keepdim=keep), sorted([a % x.ndim for a in axes], reverse=True), x))
            if 0 not in [shape[a] for a in axes]:
                case(f"max@{place}", [x], lambda x: x.amax(axes, keepdim=keep) if axes else x)
                case(f"min@{place}", [x], lambda x: x.amin(axes, keepdim=keep) if axes else x)
                if axes:
                    case(f"mean@{place}", [x], lambda x: x.mean(axes, keepdim=keep))
for shape, axis in [((3, 1, 4), -1), ((3, 1, 4), 1), ((3, 1, 4), -3), ((1,), 0), ((2, 0), -2), ((0, 3), 0)]:
    x = real(*shape)
    for exclusive in (False, True):
        for backwards in (False, True):
            def along(f, neutral):
                def g(x):
                    y = x.flip(axis) if backwards else x
                    if exclusive:
                        y = torch.cat([torch.full_like(y.narrow(axis, 0, min(1, y.shape[axis])), neutral), y], axis)
                        y = y.narrow(axis, 0, x.shape[axis])
                    y = f(y, axis)
                    return y.flip(axis) if backwards else y
                return g
            options = f"{axis};{int(exclusive)};{int(backwards)}"
            case(f"cumulativeSum@{options}", [x], along(torch.cumsum, 0.0))
            case(f"cumulativeProduct@{options}", [x], along(torch.cumprod, 1.0))

# Equal elements: the first comes first (NumPy's stable order; PyTorch leaves it open). NaN.
ties = rng.integers(0, 4, (3, 9)).astype(np.float64)


def top(x, count, largest):
    order = np.argsort(-x if largest else x, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(x, order, 1), order.astype(np.int32)


for largest in (True, False):
    case(f"topK@5;{int(largest)}", [ties], lambda x: [torch.tensor(a) for a in top(ties, 5, largest)], gradient=False)
holes = ties.copy()
holes[0, 3] = holes[1, 0] = holes[1, 5] = np.nan
for title, f, x in [("argmax", np.argmax, ties), ("argmin", np.argmin, ties), ("argmax", np.argmax, holes),
                    ("argmin", np.argmin, holes)]:
    case(f"{title}@-1", [x], lambda t: torch.tensor(f(x, axis=-1).astype(np.int32)), gradient=False)
case("max@1;0", [holes], lambda x: torch.tensor(holes.max(1)), gradient=False)
case("cumulativeMax@1", [holes], lambda x: torch.tensor(np.maximum.accumulate(holes, 1)), gradient=False)

# Broadcasting: extents of 1, scalars, nothing at all.
for a, b in [((3, 1, 4), (1, 5, 1)), ((), (2, 3)), ((1,), ()), ((2, 0, 3), (1, 1)), ((4, 1), (3,))]:
    x, y = real(*a, low=0.3), real(*b, low=0.3)
    case("arithmetic", [x, y], lambda x, y: [x + y, x - y, x * y, x / y, x ** y, torch.maximum(x, y),
                                             torch.fmod(x, y)])
for a, b in [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((4, 2, 3), (4, 3, 2)),
             ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((1, 1), (1, 1))]:
    case("matmul", [real(*a), real(*b)], torch.matmul)

# Integers wrap.
i, j = rng.integers(-2**31, 2**31, (4, 5)).astype(np.int32), rng.integers(-2**31, 2**31, (5,)).astype(np.int32)
with np.errstate(over="ignore"):
    wrapped = [i + j, i - j, i * j, -i, i.sum(1, dtype=np.int32), i.prod(0, dtype=np.int32), i.cumsum(1, dtype=np.int32)]
case("wrapping", [i, j], lambda i, j: [torch.tensor(a) for a in wrapped], gradient=False)

# Rows of which nothing is left, logarithms of zero, distances of zero.
case("logSumExp_infinite_slope", [np.where(np.isfinite(infinite), infinite, -np.inf)],
     lambda x: torch.logsumexp(x, 1))
seen = np.array([[True, False, True], [False, False, False], [True, True, True]])
case("maskedSoftmax", [real(3, 3), seen],
     lambda x, m: torch.nan_to_num(F.softmax(x.masked_fill(~m, -math.inf), -1), nan=0.0), gradient=False)
certain, bit = np.array([0.0, 1.0, 0.0, 1.0, 0.25]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
case("binaryCrossEntropy_certain", [certain, bit],
     lambda p, y: F.binary_cross_entropy(p, y, reduction="none"), gradient=False)
case("norm_zero", [np.array([[0.0, 0.0], [3.0, 4.0]])], lambda x: torch.linalg.vector_norm(x, 2, dim=1))
case("lpPool2d_zero", [np.zeros((1, 2, 2, 1))], lambda x: (x * x).sum((1, 2), keepdim=True))

# Everything of one extent.
case("layerNorm_one", [real(3, 1), real(1), real(1)], lambda x, s, b: F.layer_norm(x, (1,), s, b))
case("groupNorm_whole", [real(2, 3, 6)], lambda x: F.group_norm(x.permute(0, 2, 1), 1).permute(0, 2, 1))
case("crossEntropy_one", [real(3, 1), integers(1, 3)], lambda z, y: F.cross_entropy(z, y.long()))
case("variance_one", [real(1, 3)], lambda x: x.var((0,), correction=0))

path = os.path.join(os.path.dirname(__file__), "../Tests/CompositeTests/Fixtures/composites.txt")
with open(path, "w") as file:
    file.write("# PyTorch %s, float64; made by scripts/make-composite-fixtures.py\n" % torch.__version__)
    file.write("\n".join(lines) + "\n")
print(len([l for l in lines if l.startswith("case")]), "cases,", os.path.getsize(path), "bytes")
