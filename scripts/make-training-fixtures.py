#!/usr/bin/env python3
"""Writes Tests/TrainingTests/Fixtures/*.safetensors with PyTorch: lenet5, batchnorm, optimizers,
resnet20, vgg16, recurrent, sequences, statistics, transposed, attention; all of them, or those named.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make-training-fixtures.py

Models are PyTorch's; what is written is in Martlet's order: images NHWC, filters HWIO, dense weights
[in, out], and the rows of the first dense weight as height, width, channel. Logits and gradients
come from float64, losses of training from float32.
"""
import copy
import json
import os
import sys
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

folder = os.path.join(os.path.dirname(__file__), "..", "Tests", "TrainingTests", "Fixtures")


def save(name, arrays):
    """The safetensors format: the header's length, the header as JSON, the arrays."""
    names = {"float32": "F32", "float64": "F64", "int32": "I32", "uint8": "U8"}
    header, data = {}, b""
    # The widest elements first, so that every array is aligned.
    for key in sorted(arrays, key=lambda k: (-arrays[k].itemsize, k)):
        array = np.ascontiguousarray(arrays[key])
        start = len(data)
        data += array.tobytes()
        header[key] = {"dtype": names[str(array.dtype)], "shape": list(array.shape),
                       "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, name + ".safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution1 = nn.Conv2d(1, 6, 5, padding=2)
        self.convolution2 = nn.Conv2d(6, 16, 5)
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.convolution1(x)), 2)
        x = F.max_pool2d(F.relu(self.convolution2(x)), 2)
        return self.output(F.relu(self.dense2(F.relu(self.dense1(x.flatten(1))))))


def converted(name, x):
    """A parameter of PyTorch, or its gradient, in Martlet's order."""
    x = x.detach().numpy()
    if x.ndim == 4:
        x = x.transpose(2, 3, 1, 0)
    elif name == "dense1.weight" and x.shape == (120, 400):
        x = x.reshape(120, 16, 5, 5).transpose(2, 3, 1, 0).reshape(400, 120)
    elif x.ndim == 2:
        x = x.T
    return x.astype(np.float32)


def lenet5():
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (10, 32, 28, 28, 1), dtype=np.uint8)
    labels = rng.integers(0, 10, (10, 32), dtype=np.int32)
    start = LeNet5()
    arrays = {"images": images, "labels": labels}
    for name, p in start.named_parameters():
        arrays["initial." + name] = converted(name, p)

    def batch(i, dtype):
        x = torch.tensor(images[i].transpose(0, 3, 1, 2).astype(np.float64) / 256, dtype=dtype)
        return x, torch.tensor(labels[i], dtype=torch.long)

    exact = copy.deepcopy(start).double()
    x, y = batch(0, torch.float64)
    logits = exact(x)
    F.cross_entropy(logits, y).backward()
    arrays["logits"] = logits.detach().numpy().astype(np.float32)
    for name, p in exact.named_parameters():
        arrays["gradient." + name] = converted(name, p.grad)

    for title, make in OPTIMIZERS.items():
        model = copy.deepcopy(start)
        optimizer = make(model.parameters())
        losses = []
        for i in range(10):
            x, y = batch(i, torch.float32)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        arrays["losses." + title] = np.array(losses, dtype=np.float32)
    save("lenet5", arrays)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
}


def batchnorm():
    """An MLP with batch norm and dropout of nothing: five steps, then both modes."""
    torch.manual_seed(6)
    model = nn.Sequential(
        nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.0), nn.Linear(16, 4))
    rng = np.random.default_rng(6)
    x = rng.normal(0.5, 2, (5, 8, 12)).astype(np.float32)
    y = rng.integers(0, 4, (5, 8), dtype=np.int32)
    arrays = {"inputs": x, "labels": y}
    names = {"0": "hidden", "1": "norm", "4": "output"}

    def state(prefix):
        for name, p in model.state_dict().items():
            layer, field = name.split(".")
            if field == "num_batches_tracked":
                continue
            value = converted(name, p)
            field = {"running_mean": "runningMean", "running_var": "runningVariance"}.get(field, field)
            if names[layer] == "norm":
                field = {"weight": "scale"}.get(field, field)
            arrays[f"{prefix}.{names[layer]}.{field}"] = value

    state("initial")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for i in range(5):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.tensor(x[i])), torch.tensor(y[i], dtype=torch.long))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    arrays["losses"] = np.array(losses, dtype=np.float32)
    state("final")
    model.eval()
    arrays["evaluated"] = model(torch.tensor(x[0])).detach().numpy()
    save("batchnorm", arrays)


def optimizers():
    """100 steps down a bowl, 0.5 · sum(a · (w − b)²), a from 0.1 to 5."""
    rng = np.random.default_rng(7)
    a = np.linspace(0.1, 5, 16).astype(np.float32)
    b = rng.normal(0, 2, 16).astype(np.float32)
    w0 = rng.normal(0, 2, 16).astype(np.float32)
    arrays = {"a": a, "b": b, "initial": w0}
    for title, make in {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.05),
    }.items():
        w = torch.tensor(w0.copy(), requires_grad=True)
        optimizer = make([w])
        path, losses = [], []
        for _ in range(100):
            optimizer.zero_grad()
            loss = 0.5 * (torch.tensor(a) * (w - torch.tensor(b)) ** 2).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            path.append(w.detach().numpy().copy())
        arrays["losses." + title] = np.array(losses, dtype=np.float32)
        arrays["path." + title] = np.stack(path)
    save("optimizers", arrays)


def textbook(update):
    """An optimizer from a function (w, g, state, rate, t) → w in float64 arrays."""
    class Rule:
        def __init__(self, parameters):
            self.parameters, self.states, self.t = parameters, [{} for _ in parameters], 0
            self.param_groups = [{"lr": 0.0}]

        def zero_grad(self):
            for p in self.parameters:
                p.grad = None

        def step(self):
            self.t += 1
            for p, state in zip(self.parameters, self.states):
                with torch.no_grad():
                    p.copy_(update(p, p.grad, state, self.param_groups[0]["lr"], self.t))
    return Rule


def velocity(w, g, s, rate, t):
    s["v"] = 0.9 * s.get("v", 0) - rate * g
    return w + s["v"]


def accumulated(w, g, s, rate, t):
    s["v"] = 0.9 * s.get("v", 0) + rate * g
    return w - s["v"]


def averaged(w, g, s, rate, t):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g
    return w - rate * s["v"] / (1 - 0.9 ** t)


def adagrad_inside(w, g, s, rate, t):
    s["s"] = s.get("s", 0) + g * g
    return w - rate * g / torch.sqrt(s["s"] + 1e-3)


def rmsprop_corrected(w, g, s, rate, t):
    s["s"] = 0.9 * s.get("s", 0) + 0.1 * g * g
    s["v"] = 0.5 * s.get("v", 0) + g / torch.sqrt(s["s"] / (1 - 0.9 ** t) + 1e-3)
    return w - rate * s["v"]


def lion(w, g, s, rate, t):
    m = s.get("m", torch.zeros_like(w))
    s["m"] = 0.99 * m + 0.01 * g
    return w * (1 - rate * 0.1) - rate * torch.sign(0.9 * m + 0.1 * g)


def max_norm(w, g, s, rate, t):
    w = w - rate * g
    if w.ndim == 2:
        w = w * torch.clamp(0.8 / torch.sqrt((w * w).sum(0, keepdim=True)), max=1)
    return w


def rule_cases():
    """For each rule: the optimizer of [weight, bias], what clips the gradients, batches an update."""
    decays = lambda make: lambda p: make([{"params": [p[0]]}, {"params": [p[1]], "weight_decay": 0}])
    value = lambda p: torch.nn.utils.clip_grad_value_(p, 0.05)
    each = lambda p: [torch.nn.utils.clip_grad_norm_([q], 0.1) for q in p]
    total = lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1)
    O = torch.optim
    return {
        "sgd": (lambda p: O.SGD(p), None, 1),
        "momentum": (lambda p: O.SGD(p, momentum=0.9), None, 1),
        "momentum-velocity": (textbook(velocity), None, 1),
        "momentum-accumulated": (textbook(accumulated), None, 1),
        "momentum-average": (textbook(averaged), None, 1),
        "nesterov": (lambda p: O.SGD(p, momentum=0.9, nesterov=True), None, 1),
        "adagrad": (lambda p: O.Adagrad(p, eps=1e-10), None, 1),
        "adagrad-inside": (textbook(adagrad_inside), None, 1),
        "rmsprop": (lambda p: O.RMSprop(p, alpha=0.9), None, 1),
        "rmsprop-centered": (lambda p: O.RMSprop(p, alpha=0.9, momentum=0.5, centered=True, eps=1e-3), None, 1),
        "rmsprop-corrected": (textbook(rmsprop_corrected), None, 1),
        "adadelta": (lambda p: O.Adadelta(p, rho=0.9, eps=1e-6), None, 1),
        "adam": (lambda p: O.Adam(p), None, 1),
        "adam-l2": (decays(lambda p: O.Adam(p, weight_decay=0.1)), None, 1),
        "adamw": (decays(lambda p: O.AdamW(p, weight_decay=0.1)), None, 1),
        "nadam": (lambda p: O.NAdam(p), None, 1),
        "lion": (textbook(lion), None, 1),
        "clip-value": (lambda p: O.SGD(p), value, 1),
        "clip-norm": (lambda p: O.SGD(p), each, 1),
        "clip-global-norm": (lambda p: O.Adam(p), total, 1),
        "max-norm": (textbook(max_norm), None, 1),
        "accumulation": (lambda p: O.Adam(p), None, 5),
        "sgd-l2": (decays(lambda p: O.SGD(p, lr=1e-3, weight_decay=0.1)), None, 1),
        "rmsprop-momentum": (lambda p: O.RMSprop(p, alpha=0.9, momentum=0.9, eps=1e-3), None, 1),
        "nadam-l2": (decays(lambda p: O.NAdam(p, weight_decay=0.1)), None, 1),
    }


def rules():
    """50 steps of each rule on a small network in float64, its rate falling: tanh(x·W + b) → y."""
    rng = np.random.default_rng(11)
    x, y = rng.normal(0, 1, (50, 8, 4)), rng.normal(0, 1, (50, 8, 3))
    w0, b0 = rng.normal(0, 0.7, (4, 3)), rng.normal(0, 0.5, 3)
    arrays = {"x": x, "y": y, "weight": w0, "bias": b0}
    torch.set_default_dtype(torch.float64)  # the counters of its optimizers, too
    cases = rule_cases()
    for title, (make, clip, rounds) in cases.items():
        w = torch.tensor(w0, requires_grad=True)
        b = torch.tensor(b0, requires_grad=True)
        optimizer = make([w, b])
        optimizer.zero_grad()
        losses, weights = [], []
        for i in range(50):
            for group in optimizer.param_groups:
                group["lr"] = 0.05 / (1 + 0.02 * i)
            loss = ((torch.tanh(torch.tensor(x[i]) @ w + b) - torch.tensor(y[i])) ** 2).mean()
            (loss / rounds).backward()
            losses.append(loss.item())
            if (i + 1) % rounds == 0:
                if clip:
                    clip([w, b])
                optimizer.step()
                optimizer.zero_grad()
            weights.append(w.detach().numpy().copy())
        arrays["losses." + title] = np.array(losses)
        arrays["weights." + title] = np.stack(weights)[9::10]
        arrays["bias." + title] = b.detach().numpy().copy()
    torch.set_default_dtype(torch.float32)
    save("rules", arrays)


def schedules():
    """PyTorch's learning-rate schedules, base rate 1."""
    arrays = {}
    for title, make in schedule_cases().items():
        o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        s = make(o)
        values = []
        for i in range(40):
            values.append(o.param_groups[0]["lr"])
            o.step()
            if i < 39:
                s.step()
        arrays[title] = np.array(values)
    save("schedules", arrays)


def schedule_cases():
    S = torch.optim.lr_scheduler
    return {
        "exponential": lambda o: S.ExponentialLR(o, 0.95),
        "staircase": lambda o: S.StepLR(o, 7, 0.5),
        "milestones": lambda o: S.MultiStepLR(o, [5, 11, 30], 0.3),
        "linear": lambda o: S.LinearLR(o, 0.25, 1.0, 12),
        "polynomial": lambda o: S.PolynomialLR(o, 20, 2.0),
        "cosine": lambda o: S.CosineAnnealingLR(o, 40, 0.1),
        "restarts": lambda o: S.CosineAnnealingWarmRestarts(o, 6, 2, 0.05),
        "one-cycle": lambda o: S.OneCycleLR(o, 1.0, total_steps=41),
    }


def curvature():
    """Hessian-vector and Jacobian-vector products of a small network, float64."""
    rng = np.random.default_rng(13)
    x, y = rng.normal(0, 1, (6, 5)), rng.integers(0, 3, 6, dtype=np.int32)
    w = [rng.normal(0, 0.6, shape) for shape in [(5, 7), (7,), (7, 3), (3,)]]
    v = [rng.normal(0, 1, a.shape) for a in w]
    arrays = {"x": x, "y": y}

    def logits(*p):
        return F.gelu(torch.tanh(torch.tensor(x) @ p[0] + p[1])) @ p[2] + p[3]

    def loss(*p):
        return F.cross_entropy(logits(*p), torch.tensor(y, dtype=torch.long)) + 0.1 * (p[0] ** 2).sum()

    tensors = lambda list: tuple(torch.tensor(a) for a in list)
    products = torch.autograd.functional.hvp(loss, tensors(w), tensors(v))[1]
    moved = torch.autograd.functional.jvp(logits, tensors(w), tensors(v))[1]
    arrays["jvp"] = moved.numpy()
    whole = torch.autograd.functional.hessian(lambda b: loss(*tensors(w)[:3], b), torch.tensor(w[3]))
    arrays["hessian"] = whole.numpy()
    for i in range(4):
        arrays[f"w{i}"], arrays[f"v{i}"], arrays[f"hvp{i}"] = w[i], v[i], products[i].numpy()
    save("curvature", arrays)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.convolution1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.convolution2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.projectionNorm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.norm2(self.convolution2(F.relu(self.norm1(self.convolution1(x)))))
        if hasattr(self, "projection"):
            x = self.projectionNorm(self.projection(x))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.convolution = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage in range(3):
            for index in range(3):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(ResidualBlock(inputs, width << stage, stride))
                inputs = width << stage
        self.blocks = nn.Sequential(*blocks)
        self.output = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.output(self.blocks(F.relu(self.norm(self.convolution(x)))).mean((2, 3)))


class VGG16(nn.Module):
    def __init__(self, size, classes, width, hidden):
        super().__init__()
        stages, inputs = [], 3
        for stage, count in enumerate((2, 2, 3, 3, 3)):
            outputs = width << min(stage, 3)
            stages.append(nn.ModuleList(
                nn.Conv2d(outputs if i else inputs, outputs, 3, padding=1) for i in range(count)))
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        self.side, self.channels = size // 32, inputs
        self.dense1 = nn.Linear(inputs * self.side ** 2, hidden)
        self.dense2 = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, classes)

    def forward(self, x):
        for stage in self.stages:
            for convolution in stage:
                x = F.relu(convolution(x))
            x = F.max_pool2d(x, 2)
        return self.output(F.relu(self.dense2(F.relu(self.dense1(x.flatten(1))))))


def martlet(model, name, x):
    """A parameter of these two models, or its gradient, in Martlet's order and its name there."""
    x = x.detach().numpy()
    if x.ndim == 4:
        x = x.transpose(2, 3, 1, 0)
    elif name == "dense1.weight":
        x = x.reshape(-1, model.channels, model.side, model.side)
        x = x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0])
    elif x.ndim == 2:
        x = x.T
    owner, _, field = name.rpartition(".")
    field = {"running_mean": "runningMean", "running_var": "runningVariance"}.get(field, field)
    if isinstance(model.get_submodule(owner), nn.BatchNorm2d) and field == "weight":
        field = "scale"
    return f"{owner}.{field}", x.astype(np.float32)


def narrow(title, model, images, labels, draw=None):
    """Logits and gradients of the first batch in float64, losses of a step each with momentum, the
    state after them, and the logits of inference on the first batch."""
    arrays = {"images": images, "labels": labels}

    def state(prefix, model):
        for name, value in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                name, value = martlet(model, name, value)
                arrays[f"{prefix}.{name}"] = value

    def batch(i, dtype):
        x = torch.tensor(images[i].transpose(0, 3, 1, 2).astype(np.float64) / 256, dtype=dtype)
        return x, torch.tensor(labels[i], dtype=torch.long)

    if draw:
        with torch.no_grad():
            draw(model)
    state("initial", model)
    exact = copy.deepcopy(model).double()
    x, y = batch(0, torch.float64)
    logits = exact(x)
    F.cross_entropy(logits, y).backward()
    arrays["logits"] = logits.detach().numpy().astype(np.float32)
    for name, p in exact.named_parameters():
        name, value = martlet(model, name, p.grad)
        arrays["gradient." + name] = value

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for i in range(len(images)):
        optimizer.zero_grad()
        x, y = batch(i, torch.float32)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    arrays["losses"] = np.array(losses, dtype=np.float32)
    # The state after a step; of all parameters it would only make the file larger.
    for name, value in model.state_dict().items():
        if "running" in name:
            name, value = martlet(model, name, value)
            arrays["final." + name] = value
    model.eval()
    x, _ = batch(0, torch.float32)
    arrays["evaluated"] = model(x).detach().numpy()
    save(title, arrays)


def resnet20():
    torch.manual_seed(8)
    rng = np.random.default_rng(8)
    images = rng.integers(0, 256, (4, 4, 16, 16, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, (4, 4), dtype=np.int32)

    def draw(model):
        # Scales and biases of batch norm begin with ones and zeros, which would hide mistakes.
        for name, p in model.named_parameters():
            if "norm" in name.lower():
                p += 0.2 * torch.randn(p.shape)

    narrow("resnet20", ResNet20(3, 10), images, labels, draw)


def vgg16():
    torch.manual_seed(9)
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (3, 2, 64, 64, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, (3, 2), dtype=np.int32)

    def draw(model):
        # PyTorch's first weights let the signal die out in so deep a network without batch norm.
        for p in model.parameters():
            p.copy_(torch.randn(p.shape) * (2 / (p[0].numel() if p.ndim > 1 else 50)) ** 0.5)

    narrow("vgg16", VGG16(64, 10, 2, 16), images, labels, draw)


def recurrent():
    """Recurrent layers: outputs, last states and all gradients of a random inner product, with whole
    and with ragged batches; in float64."""
    torch.manual_seed(11)
    T, B, I, H = 5, 3, 4, 6
    lengths = torch.tensor([5, 2, 3])
    arrays = {"lengths": lengths.numpy().astype(np.int32)}

    class Manual(nn.Module):
        """Cells that PyTorch lacks, step by step: GRU that resets before the product, peepholes."""
        def __init__(self, kind):
            super().__init__()
            gates = 3 if kind == "gru_before" else 4
            self.kind = kind
            self.weight_ih_l0 = nn.Parameter(torch.randn(gates * H, I) * 0.4)
            self.weight_hh_l0 = nn.Parameter(torch.randn(gates * H, H) * 0.4)
            self.bias_ih_l0 = nn.Parameter(torch.randn(gates * H) * 0.4)
            self.bias_hh_l0 = nn.Parameter(torch.randn(gates * H) * 0.4)
            if kind == "lstm_peephole":
                self.peephole = nn.Parameter(torch.randn(3 * H) * 0.4)

        def forward(self, x, state):
            state = state if isinstance(state, tuple) else (state,)
            h, ys = state[0][0], []
            c = state[1][0] if len(state) > 1 else None
            w, u, b, d = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
            for t in range(x.shape[0]):
                p = x[t] @ w.T + b
                if self.kind == "gru_before":
                    s = h @ u[:2 * H].T + d[:2 * H]
                    r, z = torch.sigmoid(p[:, :H] + s[:, :H]), torch.sigmoid(p[:, H:2 * H] + s[:, H:])
                    n = torch.tanh(p[:, 2 * H:] + (r * h) @ u[2 * H:].T + d[2 * H:])
                    h = (1 - z) * n + z * h
                else:
                    i, f, g, o = (p + h @ u.T + d).chunk(4, 1)
                    a = self.peephole
                    i, f = torch.sigmoid(i + c * a[:H]), torch.sigmoid(f + c * a[H:2 * H])
                    c = f * c + i * torch.tanh(g)
                    o = torch.sigmoid(o + c * a[2 * H:])
                    h = o * torch.tanh(c)
                ys.append(h)
            last = h[None] if c is None else (h[None], c[None])
            return torch.stack(ys), last

    parts = {"weight_ih": "inputWeight", "weight_hh": "hiddenWeight", "bias_ih": "inputBias",
             "bias_hh": "hiddenBias", "weight_hr": "projection"}

    def path(name, kind):
        if name == "peephole":
            return name
        part, rest = name.split("_l")
        own = parts[part]
        if kind != "lstm_deep":
            return own
        floor, *back = rest.split("_")
        return f"layers.{floor}.{'backward' if back else 'forward'}.{own}"

    modules = {
        "rnn_tanh": nn.RNN(I, H), "rnn_relu": nn.RNN(I, H, nonlinearity="relu"), "gru": nn.GRU(I, H),
        "lstm": nn.LSTM(I, H), "lstm_projected": nn.LSTM(I, H, proj_size=2),
        "lstm_deep": nn.LSTM(I, H, num_layers=2, bidirectional=True),
        "gru_before": Manual("gru_before"), "lstm_peephole": Manual("lstm_peephole")}
    for kind, module in modules.items():
        module = module.double()
        floors, out = (4, H) if kind == "lstm_deep" else (1, 2 if kind == "lstm_projected" else H)
        x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
        state = [torch.randn(floors, B, out, dtype=torch.float64, requires_grad=True)]
        if kind.startswith("lstm"):
            state.append(torch.randn(floors, B, H, dtype=torch.float64, requires_grad=True))
        arrays[f"{kind}.x"] = x.detach().numpy().astype(np.float32)
        for name, p in module.named_parameters():
            arrays[f"{kind}.initial.{path(name, kind)}"] = converted("", p)

        def states(values, prefix):
            # Martlet's order: for each floor and direction h, then c.
            for f in range(floors):
                for k, value in enumerate(values):
                    index = f * len(values) + k
                    arrays[f"{kind}.{prefix}{index}"] = value[f].detach().numpy().astype(np.float32)

        states(state, "state")
        for mode in ["whole", "ragged"]:
            if mode == "ragged" and isinstance(module, Manual):
                continue
            given = state[0] if len(state) == 1 else tuple(state)
            if mode == "whole":
                y, last = module(x, given)
            else:
                packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
                y, last = module(packed, given)
                y, _ = nn.utils.rnn.pad_packed_sequence(y, total_length=T)
            last = list(last) if isinstance(last, tuple) else [last]
            dy = torch.randn_like(y)
            loss = (y * dy).sum() + sum((s * s).sum() for s in last)
            found = torch.autograd.grad(loss, [x, *state, *module.parameters()])
            key = f"{kind}.{mode}"
            arrays[f"{key}.y"] = y.detach().numpy().astype(np.float32)
            arrays[f"{key}.dy"] = dy.numpy().astype(np.float32)
            states(last, f"{mode}.last")
            arrays[f"{key}.gradient.x"] = found[0].numpy().astype(np.float32)
            states(found[1:1 + len(state)], f"{mode}.gradient.state")
            for (name, _), g in zip(module.named_parameters(), found[1 + len(state):]):
                arrays[f"{key}.gradient.{path(name, kind)}"] = converted("", g)
    save("recurrent", arrays)


def statistics():
    """Two batch norms whose statistics are computed anew over four batches (update_bn)."""
    torch.manual_seed(7)
    model = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    x = np.random.default_rng(7).normal(0.5, 2, (4, 8, 4)).astype(np.float32)
    arrays = {"inputs": x.reshape(32, 4)}
    for i, layer in enumerate(["a", "first", None, "b", "second", "c"]):
        if layer in ("a", "b", "c"):
            arrays[f"{layer}.weight"] = model[i].weight.detach().numpy().T.copy()
            arrays[f"{layer}.bias"] = model[i].bias.detach().numpy()
    torch.optim.swa_utils.update_bn([torch.tensor(b) for b in x], model)
    for i, layer in ((1, "first"), (4, "second")):
        arrays[f"{layer}.runningMean"] = model[i].running_mean.numpy()
        arrays[f"{layer}.runningVariance"] = model[i].running_var.numpy()
    model.eval()
    arrays["evaluated"] = model(torch.tensor(x[0])).detach().numpy()
    save("../../TrainerTests/Fixtures/statistics", arrays)


def transposed():
    """Transposed convolutions of sequences, images and volumes as layers: results and gradients."""
    torch.manual_seed(8)
    cases = {
        1: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        2: nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
        3: nn.ConvTranspose3d(2, 3, 3, stride=2, padding=1, output_padding=1, bias=False),
    }
    arrays = {}

    def last(x):
        """Channels last."""
        return x.movedim(1, -1).detach().numpy().astype(np.float32)

    def filters(w):
        """[in, out / groups, kernel…] as [kernel…, out / groups, in]."""
        return w.detach().permute(*range(2, w.ndim), 1, 0).numpy().astype(np.float32)

    for rank, layer in cases.items():
        layer = layer.double()
        x = torch.randn(2, layer.in_channels, *[4, 5, 3][:rank], dtype=torch.float64, requires_grad=True)
        y = layer(x)
        dy = torch.randn_like(y)
        (y * dy).sum().backward()
        key = f"{rank}d."
        arrays |= {key + "x": last(x), key + "y": last(y), key + "dy": last(dy), key + "gradient.x": last(x.grad),
                   key + "initial.weight": filters(layer.weight), key + "gradient.weight": filters(layer.weight.grad)}
        if layer.bias is not None:
            arrays[key + "initial.bias"] = layer.bias.detach().numpy().astype(np.float32)
            arrays[key + "gradient.bias"] = layer.bias.grad.numpy().astype(np.float32)
    save("transposed", arrays)


def attention():
    """Attention layers and transformer blocks: results and all gradients of a random inner product, with
    whole and with ragged batches; in float64. What padding gives is left out of the product."""
    torch.manual_seed(13)
    B, T, S, W, H = 3, 5, 4, 6, 2
    lengths, memory_lengths = torch.tensor([5, 2, 3]), torch.tensor([1, 4, 2])
    arrays = {"lengths": lengths.numpy().astype(np.int32),
              "memoryLengths": memory_lengths.numpy().astype(np.int32)}

    def path(name):
        for theirs, ours in [
                ("self_attn.", "attention."), ("multihead_attn.", "crossAttention."),
                ("in_proj_", "projection."), ("out_proj.", "output."),
                ("linear1.", "feedForward.expand."), ("linear2.", "feedForward.contract.")]:
            name = name.replace(theirs, ours)
        norms = {"norm1": "attentionNorm", "norm2": "feedForwardNorm"}
        if "decoder" in kind:
            norms = {"norm1": "attentionNorm", "norm2": "crossNorm", "norm3": "feedForwardNorm"}
        head, _, last = name.rpartition(".")
        if head in norms:
            return f"{norms[head]}.{'scale' if last == 'weight' else 'bias'}"
        return name

    def values(x):
        return x.detach().numpy().astype(np.float32)

    class Additive(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key = nn.Linear(W, 7, bias=False), nn.Linear(W, 7)
            self.score = nn.Linear(7, 1, bias=False)

        def scores(self, q, k):
            return self.score(torch.tanh(self.query(q)[:, :, None] + self.key(k)[:, None])).squeeze(-1)

    class General(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Linear(W, W, bias=False)

        def scores(self, q, k):
            return q @ self.weight(k).transpose(1, 2)

    class Concat(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.score = nn.Linear(2 * W, 7, bias=False), nn.Linear(7, 1, bias=False)

        def scores(self, q, k):
            pairs = torch.cat([q[:, :, None].expand(-1, -1, S, -1), k[:, None].expand(-1, T, -1, -1)], -1)
            return self.score(torch.tanh(self.weight(pairs))).squeeze(-1)

    def block(cls, first, activation):
        return cls(W, H, 8, dropout=0, activation=activation, batch_first=True, norm_first=first)

    modules = {
        "self": nn.MultiheadAttention(W, H, batch_first=True),
        "causal": nn.MultiheadAttention(W, H, batch_first=True),
        "cross": nn.MultiheadAttention(W, H, batch_first=True),
        "encoder_before": block(nn.TransformerEncoderLayer, True, "gelu"),
        "encoder_after": block(nn.TransformerEncoderLayer, False, "relu"),
        "decoder_before": block(nn.TransformerDecoderLayer, True, "relu"),
        "decoder_after": block(nn.TransformerDecoderLayer, False, "gelu"),
        "additive": Additive(), "general": General(), "concat": Concat()}
    hidden = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    for kind, module in modules.items():
        module = module.double()
        for name, p in module.named_parameters():
            if p.ndim == 1:  # zeros and ones would hide mistakes
                p.data += 0.3 * torch.randn_like(p)
            arrays[f"{kind}.initial.{path(name)}"] = converted("", p)
        x = torch.randn(B, T, W, dtype=torch.float64, requires_grad=True)
        memory = torch.randn(B, S, W, dtype=torch.float64, requires_grad=True)
        arrays[f"{kind}.x"], arrays[f"{kind}.memory"] = values(x), values(memory)
        uses_memory = kind in ("cross", "additive", "general", "concat") or "decoder" in kind
        for mode in ["whole", "ragged"]:
            own = torch.arange(T) >= lengths[:, None] if mode == "ragged" else None
            other = torch.arange(S) >= memory_lengths[:, None] if mode == "ragged" else None
            if kind == "self":
                y, _ = module(x, x, x, key_padding_mask=own)
            elif kind == "causal":
                y, _ = module(x, x, x, key_padding_mask=own, attn_mask=hidden)
            elif kind == "cross":
                y, _ = module(x, memory, memory, key_padding_mask=other)
            elif "encoder" in kind:
                y = module(x, src_key_padding_mask=own)
            elif "decoder" in kind:
                y = module(x, memory, tgt_mask=hidden, tgt_key_padding_mask=own,
                           memory_key_padding_mask=other)
            else:
                scores = module.scores(x, memory)
                if other is not None:
                    scores = scores.masked_fill(other[:, None], float("-inf"))
                y = torch.softmax(scores, -1) @ memory
            dy = torch.randn_like(y)
            if own is not None:
                dy = dy.masked_fill(own[:, :, None], 0)
                y = y.masked_fill(own[:, :, None], 0)
            wrt = [x] + ([memory] if uses_memory else []) + list(module.parameters())
            found = torch.autograd.grad((y * dy).sum(), wrt)
            key = f"{kind}.{mode}"
            arrays[f"{key}.y"], arrays[f"{key}.dy"] = values(y), values(dy)
            arrays[f"{key}.gradient.x"] = values(found[0])
            if uses_memory:
                arrays[f"{key}.gradient.memory"] = values(found[1])
            for (name, _), g in zip(module.named_parameters(), found[1 + uses_memory:]):
                arrays[f"{key}.gradient.{path(name)}"] = converted("", g)
    # Grouped queries with an added mask, as a function.
    kind = "grouped"
    q = torch.randn(2, 4, T, 3, dtype=torch.float64, requires_grad=True)
    k, v = (torch.randn(2, 2, S, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mask = torch.randn(1, 4, T, S, dtype=torch.float64, requires_grad=True)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    dy = torch.randn_like(y)
    found = torch.autograd.grad((y * dy).sum(), [q, k, v, mask])
    for name, array in [("q", q), ("k", k), ("v", v), ("mask", mask), ("y", y), ("dy", dy),
                        ("gradient.q", found[0]), ("gradient.k", found[1]), ("gradient.v", found[2]),
                        ("gradient.mask", found[3])]:
        arrays[f"{kind}.{name}"] = values(array)
    save("attention", arrays)


def sequences():
    """Sparse updates of tables, packed sequences, the loss under lengths, the stack-augmented net."""
    torch.manual_seed(21)
    rng = np.random.default_rng(21)
    f32 = lambda t: t.detach().numpy().astype(np.float32)
    arrays = {}

    tokens = rng.integers(0, 8, (6, 6)).astype(np.int32)  # row 8 is never read
    tokens[2] = 5
    weights = rng.normal(size=(6, 6, 4)).astype(np.float32)
    initial = rng.normal(size=(9, 4)).astype(np.float32)
    arrays.update({"sparse.tokens": tokens, "sparse.weights": weights, "sparse.initial": initial})
    for rule, make in {"sgd": lambda p: torch.optim.SGD(p, 0.1), "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
                       "adam": lambda p: torch.optim.SparseAdam(p, 0.05)}.items():
        table = nn.Embedding(9, 4, sparse=True)
        with torch.no_grad():
            table.weight.copy_(torch.tensor(initial))
        optimizer, path = make(list(table.parameters())), []
        for t, w in zip(tokens, weights):
            optimizer.zero_grad()
            (torch.tanh(table(torch.tensor(t).long())) * torch.tensor(w)).sum().backward()
            optimizer.step()
            path.append(f32(table.weight).copy())
        arrays[f"sparse.{rule}"] = np.stack(path)

    x = torch.tensor(rng.normal(size=(5, 5, 2)))
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([2, 5, 1, 5, 3]), enforce_sorted=False)
    arrays["packed.x"], arrays["packed.data"] = f32(x), f32(packed.data)
    arrays["packed.padded"] = f32(nn.utils.rnn.pad_packed_sequence(packed)[0])
    arrays["packed.sizes"] = packed.batch_sizes.numpy().astype(np.int32)
    arrays["packed.order"] = packed.sorted_indices.numpy().astype(np.int32)

    lengths = [5, 2, 0, 3]
    logits = torch.tensor(rng.normal(size=(5, 4, 3)), requires_grad=True)
    labels = torch.tensor(rng.integers(0, 3, (5, 4)))
    arrays["loss.logits"], arrays["loss.labels"] = f32(logits), labels.numpy().astype(np.int32)
    arrays["loss.lengths"] = np.array(lengths, np.int32)
    ignoring = labels.clone()
    for sample, length in enumerate(lengths):
        ignoring[length:, sample] = -100
    for key, smoothing in (("loss.", 0.0), ("loss.smooth.", 0.2)):
        def loss(reduction):
            return F.cross_entropy(logits.reshape(-1, 3), ignoring.reshape(-1), reduction=reduction,
                                   label_smoothing=smoothing)
        arrays[key + "mean"], arrays[key + "sum"] = f32(loss("mean")), f32(loss("sum"))
        arrays[key + "none"] = f32(loss("none").reshape(5, 4))
        arrays[key + "gradient"] = f32(torch.autograd.grad(loss("mean"), logits)[0])

    T, B, I, H, S, D = 6, 3, 3, 5, 2, 4
    shapes = {"inputWeight": (I, H), "hiddenWeight": (H, H), "stackWeight": (S, H), "bias": (H,),
              "actionWeight": (H, 3 * S), "actionBias": (3 * S,), "pushWeight": (H, S), "pushBias": (S,)}
    p = {name: torch.tensor(rng.normal(size=shape), requires_grad=True) for name, shape in shapes.items()}
    x = torch.tensor(rng.normal(size=(T, B, I)), requires_grad=True)
    state = [torch.tensor(rng.normal(size=(B, H)), requires_grad=True),
             torch.tensor(rng.normal(size=(B, S * D)), requires_grad=True)]
    dy = torch.tensor(rng.normal(size=(T, B, H)))
    h, stack, ys = state[0], state[1].reshape(B, S, D), []
    for t in range(T):
        h = torch.sigmoid(x[t] @ p["inputWeight"] + p["bias"] + h @ p["hiddenWeight"]
                          + stack[:, :, 0] @ p["stackWeight"])
        action = torch.softmax((h @ p["actionWeight"] + p["actionBias"]).reshape(B, 3, S), 1)
        pushed = torch.sigmoid(h @ p["pushWeight"] + p["pushBias"])
        new = []
        for i in range(D):
            from_above = pushed if i == 0 else stack[:, :, i - 1]
            from_below = stack[:, :, i + 1] if i + 1 < D else torch.zeros(B, S, dtype=torch.float64)
            new.append(action[:, 0] * from_above + action[:, 1] * from_below + action[:, 2] * stack[:, :, i])
        stack = torch.stack(new, 2)
        ys.append(h)
    y = torch.stack(ys)
    loss = (y * dy).sum() + (h * h).sum() + (stack * stack).sum()
    found = torch.autograd.grad(loss, [x, *state, *p.values()])
    arrays.update({"stack.x": f32(x), "stack.dy": f32(dy), "stack.y": f32(y), "stack.last0": f32(h),
                   "stack.last1": f32(stack.reshape(B, S * D))})
    for k in range(2):
        arrays[f"stack.state{k}"] = f32(state[k])
        arrays[f"stack.gradient.state{k}"] = f32(found[1 + k])
    arrays["stack.gradient.x"] = f32(found[0])
    for name, g in zip(p, found[3:]):
        arrays[f"stack.initial.{name}"], arrays[f"stack.gradient.{name}"] = f32(p[name]), f32(g)
    save("sequences", arrays)


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    for make in (lenet5, batchnorm, optimizers, rules, schedules, curvature, resnet20, vgg16, recurrent, sequences,
                 statistics, transposed, attention):
        if make.__name__ in sys.argv[1:] or not sys.argv[1:]:
            make()
