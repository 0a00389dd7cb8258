#!/usr/bin/env python3
"""LeNet-5 on Fashion-MNIST: Martlet and PyTorch in turn, the same recipe, several seeds.

    fashion.py MARTLET_TOOL [--seeds N] [--epochs N] [--threads N]

Adam at 1e-3, batches of 128, no augmentation; pixels scaled to a mean of 0 and a deviation of 1 over
the training images. Prints test accuracy and
training time of each run, then means; exit code 1 when the means differ by more than half a point
in PyTorch's favour, or when Martlet takes longer.
"""
import argparse
import gzip
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FOLDER = "/usr/share/datasets/fashion-mnist"


def idx(name):
    """The array of an IDX file, packed or not."""
    path = os.path.join(FOLDER, name)
    data = open(path, "rb").read() if os.path.exists(path) else gzip.open(path + ".gz").read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def torch_run(seed, epochs, threads, train, test):
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    images, labels = train
    start = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for at in range(0, len(order), 128):
            pick = order[at:at + 128]
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(images[pick]), labels[pick]).backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        correct = (model(test[0]).argmax(1) == test[1]).float().mean().item()
    return correct * 100, seconds


def martlet_run(tool, seed, epochs, threads):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        out = subprocess.run(
            [tool, "train", "lenet5", "--data", "fashion-mnist", "--epochs", str(epochs), "--batch",
             "128", "--seed", str(seed), "--threads", str(threads), "--output",
             os.path.join(folder, "model.martlet")], check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - start
    return float(re.search(r"test accuracy: ([0-9.]+)", out).group(1)), seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()

    pixels = idx("train-images-idx3-ubyte") / np.float32(255)
    mean, deviation = pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)

    def pair(kind):
        images = (idx(f"{kind}-images-idx3-ubyte")[:, None] / 255 - mean) / deviation
        labels = idx(f"{kind}-labels-idx1-ubyte").astype(np.int64)
        return torch.tensor(images.astype(np.float32)), torch.tensor(labels)

    train, test = pair("train"), pair("t10k")
    ours, theirs = [], []
    for seed in range(args.seeds):
        ours.append(martlet_run(args.tool, seed, args.epochs, args.threads))
        theirs.append(torch_run(seed, args.epochs, args.threads, train, test))
        print(f"seed {seed}   Martlet {ours[-1][0]:.2f} % in {ours[-1][1]:.1f} s (process, evaluation too)"
              f"   PyTorch {theirs[-1][0]:.2f} % in {theirs[-1][1]:.1f} s (training loop)", flush=True)
    accuracy = [statistics.mean(x[0] for x in runs) for runs in (ours, theirs)]
    seconds = [statistics.mean(x[1] for x in runs) for runs in (ours, theirs)]
    print(f"mean     Martlet {accuracy[0]:.2f} % in {seconds[0]:.1f} s   "
          f"PyTorch {accuracy[1]:.2f} % in {seconds[1]:.1f} s, {args.threads} threads")
    return 0 if accuracy[0] > accuracy[1] - 0.5 and seconds[0] < seconds[1] else 1


if __name__ == "__main__":
    sys.exit(main())
