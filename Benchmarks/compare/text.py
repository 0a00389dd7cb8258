"""The character model of `martlet train char-lm` in PyTorch: same text, split, architecture, optimizer,
schedule and number of steps. Prints its bits per character on the held-out text and the time.

    python text.py [--tool PATH] [--cell lstm] [--seeds 3] [--threads 2] [--epochs N]

With --tool both train in turns, one seed after the other.
"""
import argparse
import gzip
import math
import os
import re
import subprocess
import tempfile
import time

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "..", "Sources", "CMartletClassics", "data", "hamlet.txt.gz")

parser = argparse.ArgumentParser()
parser.add_argument("--tool")
parser.add_argument("--cell", default="lstm", choices=["lstm", "gru", "rnn"])
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--epochs", type=int, default=24)
args = parser.parse_args()

EMBEDDING, HIDDEN, LAYERS, DROPOUT = 64, 256, 1, 0.3
BATCH, LENGTH, RATE, CLIP, HELD_OUT = 16, 64, 4e-3, 1.0, 0.1


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[args.cell]
        self.embedding = nn.Embedding(vocabulary, EMBEDDING)
        self.body = kind(EMBEDDING, HIDDEN, LAYERS, dropout=DROPOUT if LAYERS > 1 else 0)
        self.output = nn.Linear(HIDDEN, vocabulary)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens, state=None):
        y, state = self.body(self.dropout(self.embedding(tokens)), state)
        return self.output(self.dropout(y)), state


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def train(seed):
    torch.manual_seed(seed)
    text = gzip.open(TEXT).read().decode()
    characters = sorted(set(text))
    tokens = torch.tensor([characters.index(c) for c in text])
    cut = len(tokens) - round(len(tokens) * HELD_OUT)
    training, held_out = tokens[:cut], tokens[cut:]
    stream = (len(training) - 1) // BATCH
    steps = stream // LENGTH
    starts = torch.arange(BATCH) * stream
    model = Model(len(characters))
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    total = steps * args.epochs

    def factor(t):
        cosine = lambda u: 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, u / total)))
        return (0.1 + 0.9 * t / 20) * cosine(0) if t < 20 else cosine(t - 20)

    begin, number = time.time(), 0
    for _ in range(args.epochs):
        state = None
        for i in range(steps):
            places = torch.arange(i * LENGTH, (i + 1) * LENGTH)[:, None] + starts
            logits, state = model(training[places], state)
            state = detached(state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), training[places + 1].flatten())
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            for group in adam.param_groups:
                group["lr"] = RATE * factor(number)
            adam.step()
            number += 1
    seconds = time.time() - begin
    model.eval()
    with torch.no_grad():
        logits, _ = model(held_out[:-1, None])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), held_out[1:]).item()
    return loss / math.log(2), seconds


def martlet(seed):
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(
            [args.tool, "train", "char-lm", "--cell", args.cell, "--seed", str(seed), "--epochs", str(args.epochs),
             "--threads", str(args.threads), "--output", os.path.join(folder, "m")],
            check=True, capture_output=True, text=True).stdout
    bits = float(re.search(r"^bits per character: ([0-9.]+) bits$", out, re.M)[1])
    return bits, float(re.search(r"^trained in ([0-9.]+) s", out, re.M)[1])


torch.set_num_threads(args.threads)
rows = []
for seed in range(args.seeds):
    row = [train(seed)] + ([martlet(seed)] if args.tool else [])
    rows.append(row)
    for name, (bits, seconds) in zip(["PyTorch", "Martlet"], row):
        print(f"seed {seed}  {name}  {bits:.3f} bits per character  {seconds:.1f} s", flush=True)
for index, name in enumerate(["PyTorch", "Martlet"][: len(rows[0])]):
    bits = [row[index][0] for row in rows]
    seconds = [row[index][1] for row in rows]
    print(f"{args.cell}  {name}  mean {sum(bits) / len(bits):.3f} bits, {min(bits):.3f} to {max(bits):.3f}, "
          f"{sum(seconds) / len(seconds):.1f} s")
