"""Layers, activations and losses with their gradients: PyTorch's beside Martlet's, in f32 and f64."""
import numpy as np
import torch
import torch.nn.functional as F

LIMITS = {"f32": 1e-5, "f64": 1e-10}


def images(function):
    """A function of NCHW on NHWC."""
    return lambda x, *rest: function(x.permute(0, 3, 1, 2), *rest).permute(0, 2, 3, 1)


def channel(v):
    """[C] beside NCHW. PyTorch's own batch norm has no gradient of given statistics."""
    return v[None, :, None, None]


def convolution(**options):
    return images(lambda x, w: F.conv2d(x, w.permute(3, 2, 0, 1), **options))


CASES = {
    "linear": lambda x, w, b: x @ w + b,
    "conv2d": convolution(padding="same"),
    "conv2d-stride-groups": convolution(stride=2, padding=1, groups=2),
    "conv2d-dilated": convolution(dilation=2),
    "conv2d-depthwise": convolution(groups=4),
    "max-pool": images(lambda x: F.max_pool2d(x, 2)),
    "average-pool": images(lambda x: F.avg_pool2d(x, 3, 1)),
    "batch-norm-training": images(lambda x, s, b: F.batch_norm(x, None, None, s, b, True)),
    "batch-norm": images(lambda x, s, b, m, v: (x - channel(m)) / torch.sqrt(
        channel(v) + 1e-5) * channel(s) + channel(b)),
    "layer-norm": lambda x, s, b: F.layer_norm(x, (8,), s, b),
    "rms-norm": lambda x, s: F.rms_norm(x, (8,), s, 1e-6),
    "group-norm": images(lambda x, s, b: F.group_norm(x, 2, s, b)),
    "instance-norm": images(lambda x, s, b: F.instance_norm(x, None, None, s, b)),
    "embedding": lambda t, i: F.embedding(i, t),
    "softmax": lambda x: F.softmax(x, -1), "log-softmax": lambda x: F.log_softmax(x, -1),
    "relu": F.relu, "leaky-relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "gelu": F.gelu,
    "silu": F.silu, "softplus": F.softplus, "mish": F.mish, "hard-swish": F.hardswish,
    # PyTorch's own takes a float's sixth in f64, too.
    "hard-sigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1), "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu6": F.relu6,
    "softsign": F.softsign,
    "cross-entropy": F.cross_entropy,
    "cross-entropy-smoothed": lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
    "sigmoid-cross-entropy": F.binary_cross_entropy_with_logits,
    "binary-cross-entropy": F.binary_cross_entropy,
    "mean-squared-error": F.mse_loss, "mean-absolute-error": F.l1_loss,
    "huber": lambda x, y: F.huber_loss(x, y, delta=0.7),
    "kl-divergence": lambda x, y: F.kl_div(x, y, reduction="sum"),
    "cosine-similarity": lambda a, b: F.cosine_similarity(a, b, -1),
    "triplet": F.triplet_margin_loss,
}


def all_cases(arrays):
    names = {key.split("/")[1] for key in arrays if key.startswith("functions/")}
    for title in sorted(names | set(CASES)):
        for dtype in ("f32", "f64"):
            prefix = f"functions/{title}/{dtype}/"
            if prefix + "y" not in arrays or title not in CASES:
                yield f"{title}, {dtype}: on one side only", float("inf"), 0
                continue
            inputs = []
            while f"{prefix}x{len(inputs)}" in arrays:
                x = arrays[f"{prefix}x{len(inputs)}"]
                inputs.append(torch.tensor(x.astype(np.int64)) if x.dtype == np.int32
                              else torch.tensor(x).requires_grad_(True))
            y = CASES[title](*inputs)
            (y * torch.tensor(arrays[prefix + "w"])).sum().backward()
            theirs = {"y": y} | {f"g{i}": x.grad for i, x in enumerate(inputs) if x.requires_grad}
            found = 0.0
            for key, value in theirs.items():
                value = value.detach().numpy()
                ours = arrays[prefix + key].reshape(value.shape)
                difference = np.abs(ours - value).max() / max(np.abs(value).max(), 1e-3)
                # A NaN counts as a difference.
                found = difference if not difference <= found else found
            yield f"{title} and gradients, {dtype}", found, LIMITS[dtype]
