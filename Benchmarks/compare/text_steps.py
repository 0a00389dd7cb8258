"""Both frameworks on the same first weights, the same batches and the same dropout masks: what differs then
is arithmetic. Martlet trains an LSTM for a few epochs; PyTorch repeats it with Martlet's first weights and
draws (Philox4x32-10 of seed, step, stream and position, as in Runtime/include/martlet_math_random.h).

    python text_steps.py TOOL [--seed 3] [--epochs 4]

Prints the bits per character of training and held-out text after each epoch, side by side.
"""
import argparse
import gzip
import json
import math
import os
import re
import struct
import subprocess
import tempfile

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "..", "Sources", "CMartletClassics", "data", "hamlet.txt.gz")

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("--seed", type=int, default=3)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)

# As CharacterRecipe(.lstm).
EMBEDDING, HIDDEN, DROPOUT, BATCH, LENGTH, RATE, CLIP = 64, 256, 0.3, 16, 64, 4e-3, 1.0


def weights(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8 : 8 + size])
    entries.pop("__metadata__", None)
    start = 8 + size
    return {
        name: torch.from_numpy(
            np.frombuffer(data[start + e["data_offsets"][0] : start + e["data_offsets"][1]], np.float32)
            .reshape(e["shape"]).copy())
        for name, e in entries.items()
    }


def philox(seed, step, stream, count):
    """32-bit words of the positions 0 to count - 1."""
    blocks, u, low = (count + 3) // 4, np.uint64, np.uint64(0xFFFFFFFF)
    x0, x1 = np.arange(blocks, dtype=u), np.full(blocks, stream, u)
    x2, x3 = np.full(blocks, step, u), np.zeros(blocks, u)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for i in range(10):
        a, b = x0 * u(0xD2511F53), x2 * u(0xCD9E8D57)
        x0 = (b >> u(32)) ^ x1 ^ u((k0 + i * 0x9E3779B9) & 0xFFFFFFFF)
        x2 = (a >> u(32)) ^ x3 ^ u((k1 + i * 0xBB67AE85) & 0xFFFFFFFF)
        x1, x3 = b & low, a & low
    return np.stack([x0, x1, x2, x3], 1).reshape(-1)[:count]


class Drop(nn.Module):
    """Dropout with the draws of a stream of Martlet's program."""

    step = 0

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def forward(self, x):
        if not self.training:
            return x
        words = philox(args.seed, Drop.step, self.stream, x.numel()) >> np.uint64(8)
        keep = torch.from_numpy(words.astype(np.float32) * np.float32(2.0**-24) < np.float32(1 - DROPOUT))
        return torch.where(keep.view(x.shape), x / (1 - DROPOUT), 0.0)


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, EMBEDDING)
        self.body, self.output = nn.LSTM(EMBEDDING, HIDDEN), nn.Linear(HIDDEN, vocabulary)
        self.before, self.behind = Drop(0), Drop(1)

    def forward(self, tokens, state=None):
        y, state = self.body(self.before(self.embedding(tokens)), state)
        return self.output(self.behind(y)), state


def train(folder, *options):
    return subprocess.run(
        [args.tool, "train", "char-lm", "--seed", str(args.seed), "--threads", str(args.threads), "--output", folder,
         *options], check=True, capture_output=True, text=True).stdout


with tempfile.TemporaryDirectory() as folder:
    out = train(os.path.join(folder, "trained"), "--epochs", str(args.epochs))
    # At a rate of nearly nothing the first weights stay.
    train(os.path.join(folder, "first"), "--epochs", "1", "--lr", "1e-9", "--set", "dropout=0")
    first = weights(os.path.join(folder, "first", "weights.safetensors"))
ours = [(float(a), float(b)) for a, b in re.findall(r"training ([0-9.]+) bits per character  held-out ([0-9.]+)", out)]

text = gzip.open(TEXT).read().decode()
characters = sorted(set(text))
tokens = torch.tensor([characters.index(c) for c in text])
cut = len(tokens) - round(len(tokens) * 0.1)
training, held_out = tokens[:cut], tokens[cut:]
stream = (len(training) - 1) // BATCH
steps = stream // LENGTH
starts = torch.arange(BATCH) * stream
model = Model(len(characters))
body = {name.split(".")[-1]: value for name, value in first.items() if name.startswith("body.")}
with torch.no_grad():
    model.embedding.weight.copy_(first["embedding.table"])
    model.body.weight_ih_l0.copy_(body["inputWeight"].T)
    model.body.weight_hh_l0.copy_(body["hiddenWeight"].T)
    model.body.bias_ih_l0.copy_(body["inputBias"])
    model.body.bias_hh_l0.copy_(body["hiddenBias"])
    model.output.weight.copy_(first["output.weight"].T)
    model.output.bias.copy_(first["output.bias"])
adam = torch.optim.Adam(model.parameters(), lr=RATE)


def factor(t):
    cosine = lambda u: 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, u / (steps * args.epochs))))
    return (0.1 + 0.9 * t / 20) * cosine(0) if t < 20 else cosine(t - 20)


def measured():
    length = (len(held_out) - 1) // 16
    places = torch.arange(length)[:, None] + torch.arange(16) * length
    model.eval()
    with torch.no_grad():
        logits, _ = model(held_out[places])
    model.train()
    return nn.functional.cross_entropy(logits.flatten(0, 1), held_out[places + 1].flatten()).item() / math.log(2)


print("epoch  training: Martlet, PyTorch   held out: Martlet, PyTorch")
for epoch in range(args.epochs):
    state, total = None, 0.0
    for i in range(steps):
        places = torch.arange(i * LENGTH, (i + 1) * LENGTH)[:, None] + starts
        logits, state = model(training[places], state)
        state = tuple(s.detach() for s in state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), training[places + 1].flatten())
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        for group in adam.param_groups:
            group["lr"] = RATE * factor(Drop.step)
        adam.step()
        Drop.step += 1
        total += loss.item()
    print(f"{epoch + 1:5}            {ours[epoch][0]:.3f}    {total / steps / math.log(2):.3f}"
          f"             {ours[epoch][1]:.3f}    {measured():.3f}", flush=True)
