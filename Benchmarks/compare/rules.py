"""Optimizers over 50 steps, schedules, initial values and dropout: PyTorch's beside Martlet's.

The optimizers are those of scripts/make-training-fixtures.py, which also writes what CI compares."""
import importlib.util
import os
import numpy as np
import torch

_path = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "make-training-fixtures.py")
_spec = importlib.util.spec_from_file_location("fixtures", _path)
fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fixtures)

LIMITS = {"f32": 1e-5, "f64": 1e-10}


def trained(make, clip, rounds, arrays, dtype):
    x, y = (torch.tensor(arrays["rules/" + n]).to(dtype) for n in "xy")
    w, b = (torch.tensor(arrays["rules/" + n]).to(dtype).requires_grad_(True) for n in "wb")
    optimizer = make([w, b])
    optimizer.zero_grad()
    losses = []
    for i in range(50):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 / (1 + 0.02 * i)
        loss = ((torch.tanh(x[i] @ w + b) - y[i]) ** 2).mean()
        (loss / rounds).backward()
        losses.append(loss.item())
        if (i + 1) % rounds == 0:
            if clip:
                clip([w, b])
            optimizer.step()
            optimizer.zero_grad()
    return {"losses": np.array(losses), "weight": w.detach().numpy(), "bias": b.detach().numpy()}


def rules(arrays):
    for title, (make, clip, rounds) in fixtures.rule_cases().items():
        for name, dtype in (("f32", torch.float32), ("f64", torch.float64)):
            torch.set_default_dtype(dtype)
            theirs = trained(make, clip, rounds, arrays, dtype)
            found = max(np.abs(arrays[f"rules/{title}/{name}/{k}"] - v).max() / max(1, np.abs(v).max())
                        for k, v in theirs.items())
            # Lion takes a sign: where rounding turns one in float32, the ways part.
            limit = 1e-2 if title == "lion" and name == "f32" else LIMITS[name]
            yield f"optimizer {title}, 50 steps, {name}", found, limit
    torch.set_default_dtype(torch.float32)


def schedules(arrays):
    for title, make in fixtures.schedule_cases().items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = make(optimizer)
        values = []
        for i in range(40):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if i < 39:
                schedule.step()
        found = np.abs(arrays["schedules/" + title] - np.array(values)).max()
        yield f"schedule {title}, 40 steps", found, 1e-10


def initializers(arrays):
    """Mean and deviation against PyTorch's own draws, in standard errors of 120,000 numbers."""
    init = torch.nn.init
    lecun = lambda w: init.normal_(w, 0, (1 / w.shape[1]) ** 0.5)
    # PyTorch counts fans of [out, in].
    makers = {
        "uniform": lambda w: init.uniform_(w, -0.5, 1.5),
        "normal": lambda w: init.normal_(w, 0.3, 0.7),
        "truncated-normal": lambda w: init.trunc_normal_(w, 0.1, 0.5, 0.1 - 1, 0.1 + 1),
        "xavier-uniform": init.xavier_uniform_, "xavier-normal": init.xavier_normal_,
        "he-uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="relu"),
        "he-normal": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
        "lecun-normal": lecun, "orthogonal": lambda w: init.orthogonal_(w, 1.5),
    }
    torch.manual_seed(1)
    for title, make in makers.items():
        ours = arrays["initializers/" + title].astype(np.float64)
        theirs = make(torch.empty(300, 400)).numpy().astype(np.float64)
        n, deviation = theirs.size, theirs.std()
        kurtosis = (((theirs - theirs.mean()) / deviation) ** 4).mean()
        mean = abs(ours.mean() - theirs.mean()) / (deviation * (2 / n) ** 0.5)
        spread = abs(ours.std() / deviation - 1) / ((max(kurtosis - 1, 0.1) / 2 / n) ** 0.5)
        yield f"initializer {title}: mean, standard errors", mean, 5
        yield f"initializer {title}: deviation, standard errors", spread, 5
        if title == "orthogonal":
            product = ours.T @ ours
            yield "initializer orthogonal: WᵀW = gain² I", np.abs(product - 2.25 * np.eye(300)).max(), 1e-5


def dropout(arrays):
    ours = arrays["dropout/0.3"]
    n, p = ours.size, 0.3
    yield "dropout 0.3: mean, standard errors", abs(ours.mean() - 1) / ((p / (1 - p) / n) ** 0.5), 5
    theirs = torch.nn.functional.dropout(torch.ones(1000, 100), p).numpy()
    scale = np.abs(np.unique(ours) - np.unique(theirs)).max()
    yield "dropout 0.3: kept and dropped elements", scale, 1e-6


def all_cases(arrays):
    for part in (rules, schedules, initializers, dropout):
        yield from part(arrays)
