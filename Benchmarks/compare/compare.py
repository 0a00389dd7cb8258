#!/usr/bin/env python3
"""Repeats in PyTorch what MartletCompare wrote down, and prints a table of the differences.

    compare.py DIR        exit code 1 when one is larger than its limit

LeNet-5's losses by 1e-4; optimizers over 50 steps, schedules, layers, activations and losses with
their gradients by 1e-5 of the largest number in f32 and 1e-10 in f64; moments of initial values and of
dropout by five standard errors.
"""
import copy
import json
import os
import sys
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import functions
import rules

LIMIT = 1e-4


def load(path):
    """The arrays of a safetensors file."""
    types = {"F32": np.float32, "F64": np.float64, "I32": np.int32}
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        start, end = (8 + size + x for x in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[start:end], types[entry["dtype"]]).reshape(entry["shape"])
    return arrays


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
    """An array of Martlet's in PyTorch's order: HWIO → OIHW, [in, out] → [out, in]."""
    if x.ndim == 4:
        x = x.transpose(3, 2, 0, 1)
    elif name == "dense1.weight":
        # Its rows are height, width, channel there and channel, height, width here.
        x = x.reshape(5, 5, 16, 120).transpose(3, 2, 0, 1).reshape(120, 400)
    elif x.ndim == 2:
        x = x.T
    return torch.tensor(np.ascontiguousarray(x))


def main(folder):
    arrays = load(os.path.join(folder, "run.safetensors"))
    start = LeNet5()
    start.load_state_dict({
        name: converted(name, arrays["initial." + name]) for name, _ in start.named_parameters()})
    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    }
    largest = 0.0
    print(f"LeNet-5, batches of {len(arrays['labels.0'])} digits, PyTorch {torch.__version__}")
    for title, make in optimizers.items():
        ours = arrays["losses." + title]
        model = copy.deepcopy(start)
        optimizer = make(model.parameters())
        print(f"{title:>8}     Martlet     PyTorch  difference")
        for i, loss in enumerate(ours):
            x = torch.tensor(arrays[f"images.{i}"].transpose(0, 3, 1, 2).copy())
            y = torch.tensor(arrays[f"labels.{i}"].astype(np.int64))
            optimizer.zero_grad()
            theirs = F.cross_entropy(model(x), y)
            theirs.backward()
            optimizer.step()
            theirs = theirs.item()
            difference = abs(loss - theirs)
            # A NaN counts as a difference.
            largest = difference if not difference <= largest else largest
            print(f"{i + 1:8}  {loss:10.7f}  {theirs:10.7f}  {difference:10.2e}")
    agrees = largest <= LIMIT
    print(f"largest difference {largest:.2e}, allowed {LIMIT:.0e}: {'agrees' if agrees else 'DIFFERS'}")
    misses = 0 if agrees else 1
    print(f"\n{'':52} difference    allowed")
    for part in (rules, functions):
        for title, found, limit in part.all_cases(arrays):
            misses += not found <= limit
            print(f"{title:52} {found:10.2e} {limit:10.0e}  {'' if found <= limit else 'DIFFERS'}")
    print(f"\n{misses} differ" if misses else "\nall agree")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
