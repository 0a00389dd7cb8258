#!/usr/bin/env python3
"""Writes Tests/TrainingTests/Fixtures/{lenet5,batchnorm,optimizers}.safetensors with PyTorch.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make-training-fixtures.py

Models are PyTorch's; what is written is in Martlet's order: images NHWC, filters HWIO, dense weights
[in, out], and the rows of the first dense weight as height, width, channel. Logits and gradients
come from float64, losses of training from float32.
"""
import copy
import json
import os
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    lenet5()
    batchnorm()
    optimizers()
