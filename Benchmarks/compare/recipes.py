#!/usr/bin/env python3
"""The built-in recipes beside scikit-learn and PyTorch on the very same split and scaling.

    Benchmarks/compare/recipes.py TOOL [--write docs/recipes.md]

Needs numpy and scikit-learn; torch for the convolutional ones, which are skipped without it. Networks
are trained with five seeds on each side: a test set of 45 flowers moves by 2.2 points with one flower.
"""
import re, subprocess, sys, tempfile, warnings
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
tool = sys.argv[1]
seeds = range(5)
# Augmentation is the recipe's own matter: off on both sides.
plain = ["--set", "data.augmentation.shift=0", "--set", "data.augmentation.rotation=0", "--set", "data.augmentation.zoom=0"]


def data(name, folder, extra):
    subprocess.run([tool, "recipes", "data", name, folder] + extra, check=True, stdout=subprocess.DEVNULL)
    parts = {}
    for part in ["training", "validation", "test"]:
        try:
            table = np.loadtxt(f"{folder}/{part}.csv", delimiter=",", skiprows=1)
            parts[part] = (table[:, :-1], table[:, -1])
        except FileNotFoundError:
            pass
    return parts


def ours(name, extra, count):
    values = []
    for seed in list(seeds)[:count]:
        with tempfile.TemporaryDirectory() as folder:
            text = subprocess.run([tool, "train", name, "--seed", str(seed), "--output", f"{folder}/m"] + extra,
                                  check=True, capture_output=True, text=True).stdout
        values.append(float(re.search(r": ([0-9.]+) %$", text.strip().splitlines()[-1]).group(1)))
    return values


def torch_net(parts, shape, layers, epochs, batch, rate, decay, seed, onecycle=False):
    import torch
    from torch import nn
    torch.manual_seed(seed)
    net = layers(nn)
    x, y = parts["training"]
    x = torch.tensor(x, dtype=torch.float32).reshape(-1, *shape).movedim(-1, 1)
    y = torch.tensor(y, dtype=torch.int64)
    steps = (len(x) + batch - 1) // batch * epochs
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=decay) if decay else torch.optim.Adam(net.parameters(), rate)
    schedule = (torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2, cycle_momentum=False)
                if onecycle else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    x, y = parts["test"]
    with torch.no_grad():
        out = net(torch.tensor(x, dtype=torch.float32).reshape(-1, *shape).movedim(-1, 1))
    return 100 * float((out.argmax(1).numpy() == y).mean())


def lenet5(nn):
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def small(nn):
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))


def mlp(sizes, activation, rate, epochs, batch):
    def train(parts, seed):
        net = MLPClassifier(sizes, activation=activation, alpha=0, learning_rate_init=rate, max_iter=epochs, batch_size=batch,
                            random_state=seed, tol=0, n_iter_no_change=epochs)
        return 100 * net.fit(*parts["training"]).score(*parts["test"])
    return train


recipes = [
    ("diabetes-linear", "R²", "scikit-learn LinearRegression", [], 1,
     lambda p, s: 100 * LinearRegression().fit(*p["training"]).score(*p["test"])),
    ("breast-cancer-logistic", "accuracy", "scikit-learn LogisticRegression", [], 1,
     lambda p, s: 100 * LogisticRegression(max_iter=1000).fit(*p["training"]).score(*p["test"])),
    ("iris-logistic", "accuracy", "scikit-learn LogisticRegression", [], 1,
     lambda p, s: 100 * LogisticRegression(max_iter=1000).fit(*p["training"]).score(*p["test"])),
    ("breast-cancer-mlp", "accuracy", "scikit-learn MLPClassifier", [], 5, mlp((32,), "relu", 0.003, 60, 32)),
    ("iris-mlp", "accuracy", "scikit-learn MLPClassifier", [], 5, mlp((16,), "tanh", 0.02, 100, 16)),
    ("wine-mlp", "accuracy", "scikit-learn MLPClassifier", [], 5, mlp((16,), "relu", 0.01, 60, 16)),
    ("digits-mlp", "accuracy", "scikit-learn MLPClassifier", [], 5, mlp((128,), "relu", 0.003, 40, 32)),
    ("digits-lenet", "accuracy", "PyTorch", plain, 3,
     lambda p, s: torch_net(p, (8, 8, 1), small, 40, 32, 0.003, 0.01, s, onecycle=True)),
    ("mnist5k-mlp", "accuracy", "scikit-learn MLPClassifier", plain + ["--set", "epochs=10"], 3, mlp((256, 128), "relu", 0.001, 10, 64)),
    ("mnist5k-lenet5", "accuracy", "PyTorch", plain + ["--set", "epochs=15"], 3,
     lambda p, s: torch_net(p, (28, 28, 1), lenet5, 15, 64, 0.001, 0, s)),
]

rows = ["| recipe | measure on the test set | Martlet | peer | peer's | runs |", "|---|---|---|---|---|---|"]
far = []
for name, measure, peer, extra, count, train in recipes:
    with tempfile.TemporaryDirectory() as folder:
        parts = data(name, folder, extra)
        try:
            theirs = np.mean([train(parts, seed) for seed in list(seeds)[:count]])
        except ImportError:
            print(f"skipped: {name} (no torch)", file=sys.stderr)
            continue
    own = np.mean(ours(name, extra, count))
    note = " without augmentation" if extra else ""
    rows.append(f"| `{name}`{note} | {measure} | {own:.2f} % | {peer} | {theirs:.2f} % | {count} |")
    print(rows[-1], flush=True)
    if own < theirs - 1:
        far.append(name)
text = "\n".join(rows) + "\n"
if len(sys.argv) > 3 and sys.argv[2] == "--write":
    begin, end = "<!-- peers: made by Benchmarks/compare/recipes.py -->\n", "<!-- end of peers -->"
    page = open(sys.argv[3]).read()
    head, rest = page.split(begin)
    open(sys.argv[3], "w").write(head + begin + text + end + rest.split(end, 1)[1])
print("more than a point below the peer: " + (", ".join(far) or "none"))
sys.exit(1 if far else 0)
