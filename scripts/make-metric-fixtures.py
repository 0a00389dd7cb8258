#!/usr/bin/env python3
"""Writes Tests/TrainerTests/Fixtures/metrics.safetensors: outputs, targets, and what scikit-learn
computes from them. Needs numpy, safetensors, scikit-learn. Append cases at the end."""
import os

import numpy as np
from safetensors.numpy import save_file
from sklearn import metrics as M

rng = np.random.default_rng(1)
out = {}


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def counts(name, y, p, classes):
    for average in ["micro", "macro"] + (["binary"] if classes == 2 else []):
        args = dict(average=average, zero_division=0, labels=None if average == "binary" else range(classes))
        out[f"{name}.{average} precision"] = np.float64(M.precision_score(y, p, **args))
        out[f"{name}.{average} recall"] = np.float64(M.recall_score(y, p, **args))
        out[f"{name}.{average} F1"] = np.float64(M.f1_score(y, p, **args))
    out[f"{name}.accuracy"] = np.float64(M.accuracy_score(y, p))
    out[f"{name}.confusion"] = M.confusion_matrix(y, p, labels=range(classes)).astype(np.int64)


# Several classes; class 4 of 5 is never a target, scores are rounded so that some are equal.
y = rng.integers(0, 4, 203).astype(np.int32)
z = (np.round(rng.normal(size=(203, 5)) * 2) / 2).astype(np.float32)
z[np.arange(203), y] += 0.5
z[:, 4] -= 2
out["classes.outputs"], out["classes.targets"] = z, y
counts("classes", y, z.argmax(1), 5)

# Five classes, all present, for AUC and top-k.
y = np.concatenate([np.arange(5), rng.integers(0, 5, 198)]).astype(np.int32)
z = rng.normal(size=(203, 5)).astype(np.float32)
z[np.arange(203), y] += 1
out["full.outputs"], out["full.targets"] = z, y
counts("full", y, z.argmax(1), 5)
out["full.AUC"] = np.float64(
    M.roc_auc_score(y, softmax(z.astype(np.float64)), multi_class="ovr", average="macro"))
for k in (2, 3):
    out[f"full.top-{k} accuracy"] = np.float64(M.top_k_accuracy_score(y, z, k=k))

# Two classes by one score, with many equal scores; and by two logits.
y = rng.integers(0, 2, 157).astype(np.int32)
s = (np.round((rng.normal(size=157) + y) * 4) / 4).astype(np.float32)
out["binary.outputs"], out["binary.targets"] = s[:, None], y
counts("binary", y, (s > 0).astype(int), 2)
out["binary.AUC"] = np.float64(M.roc_auc_score(y, s))
pair = np.stack([-s / 2, s / 2], 1)
out["pair.outputs"], out["pair.targets"] = pair, y
out["pair.AUC"] = np.float64(M.roc_auc_score(y, s))

# Numbers far from zero, in three columns.
t = (rng.normal(size=(91, 3)) * [1, 10, 0.1] + [1000, -5, 0]).astype(np.float64)
p = t + rng.normal(size=(91, 3)) * [0.5, 3, 0.2]
out["numbers.outputs"], out["numbers.targets"] = p, t
out["numbers.MSE"] = np.float64(M.mean_squared_error(t, p))
out["numbers.RMSE"] = np.sqrt(out["numbers.MSE"])
out["numbers.MAE"] = np.float64(M.mean_absolute_error(t, p))
out["numbers.R²"] = np.float64(M.r2_score(t, p))

here = os.path.dirname(os.path.abspath(__file__))
path = os.path.join(here, "../Tests/TrainerTests/Fixtures/metrics.safetensors")
os.makedirs(os.path.dirname(path), exist_ok=True)
save_file({k: np.ascontiguousarray(v) if np.ndim(v) else np.array(v) for k, v in out.items()}, path)
