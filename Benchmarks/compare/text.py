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
parser.add_argument("--cell", default="lstm", choices=["lstm", "gru", "rnn", "transformer"])
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--epochs", type=int)
parser.add_argument("--first", type=int, default=0, help="the first seed")
args = parser.parse_args()
IS_TRANSFORMER = args.cell == "transformer"
if args.epochs is None:
    args.epochs = 40 if IS_TRANSFORMER else 24

# As CharacterRecipe(cell).
EMBEDDING, HIDDEN, LAYERS, HEADS, DROPOUT = (128, 128, 3, 4, 0.2) if IS_TRANSFORMER else (64, 256, 1, 4, 0.3)
BATCH, LENGTH, CLIP, HELD_OUT = 16, 64, 1.0, 0.1
RATE = {"lstm": 4e-3, "gru": 3e-3, "rnn": 2e-3, "transformer": 4e-3}[args.cell]
WARM_UP = 100 if IS_TRANSFORMER else 20


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


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.second = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)
        self.projection, self.output = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.expand, self.contract = nn.Linear(HIDDEN, 4 * HIDDEN), nn.Linear(4 * HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = self.projection(self.norm(x)).view(b, t, 3, HEADS, w // HEADS).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.output(y.transpose(1, 2).reshape(b, t, w)))
        hidden = self.dropout(nn.functional.gelu(self.expand(self.second(x))))
        return x + self.dropout(self.contract(hidden))


class Transformer(nn.Module):
    """Causal blocks with norms in front, learned positions, GELU; no dropout of the attention's weights."""

    def __init__(self, vocabulary):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, HIDDEN), nn.Embedding(LENGTH, HIDDEN)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.positions.weight, std=0.1)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm, self.output = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, vocabulary)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens, state=None):
        rows = tokens.T
        x = self.dropout(self.embedding(rows) + self.positions.weight[: rows.shape[1]])
        return self.output(self.norm(self.blocks(x))).transpose(0, 1), None


def detached(state):
    if state is None:
        return None
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
    model = (Transformer if IS_TRANSFORMER else Model)(len(characters))
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    total = steps * args.epochs

    def factor(t):
        cosine = lambda u: 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, u / total)))
        return (0.1 + 0.9 * t / WARM_UP) * cosine(0) if t < WARM_UP else cosine(t - WARM_UP)

    begin, number = time.time(), 0
    for _ in range(args.epochs):
        state = None
        for i in range(steps):
            if IS_TRANSFORMER:
                places = torch.arange(LENGTH)[:, None] + torch.randint(len(training) - LENGTH, (BATCH,))
            else:
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
        if IS_TRANSFORMER:
            return windowed(model, held_out), seconds
        logits, _ = model(held_out[:-1, None])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), held_out[1:]).item()
    return loss / math.log(2), seconds


def windowed(model, text):
    """Windows that overlap by half: a character counts where at least half a window is before it."""
    count = len(text) - 1
    starts = list(range(0, count - LENGTH + 1, LENGTH // 2))
    if starts[-1] + LENGTH < count:
        starts.append(count - LENGTH)
    places = torch.arange(LENGTH)[:, None] + torch.tensor(starts)
    logits, _ = model(text[places])
    losses = nn.functional.cross_entropy(logits.flatten(0, 1), text[places + 1].flatten(), reduction="none")
    losses, total, counted = losses.view(LENGTH, -1), 0.0, 0
    for row, start in enumerate(starts):
        total += losses[max(0, counted - start):, row].sum().item()
        counted = start + LENGTH
    return total / count / math.log(2)


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
for seed in range(args.first, args.first + args.seeds):
    row = [train(seed)] + ([martlet(seed)] if args.tool else [])
    rows.append(row)
    for name, (bits, seconds) in zip(["PyTorch", "Martlet"], row):
        print(f"seed {seed}  {name}  {bits:.3f} bits per character  {seconds:.1f} s", flush=True)
for index, name in enumerate(["PyTorch", "Martlet"][: len(rows[0])]):
    bits = [row[index][0] for row in rows]
    seconds = [row[index][1] for row in rows]
    print(f"{args.cell}  {name}  mean {sum(bits) / len(bits):.3f} bits, {min(bits):.3f} to {max(bits):.3f}, "
          f"{sum(seconds) / len(seconds):.1f} s")
