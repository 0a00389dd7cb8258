#!/usr/bin/env python3
"""The half of scripts/exchange that runs in Python.

Usage: exchange.py FOLDER DATA             the test digits as FOLDER/images.npy; through ONNX Runtime and
                                           PyTorch; PyTorch's weights as FOLDER/from-torch.safetensors
       exchange.py FOLDER DATA --compare   what `martlet run` gave beside ONNX Runtime
"""
import gzip
import pathlib
import re
import sys

import numpy as np

folder, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def idx(name, header):
  return np.frombuffer(gzip.decompress((data / name).read_bytes()), np.uint8, offset=header)


def said():
  """The accuracy that training printed, in per cent."""
  return float(re.search(r"test accuracy: ([0-9.]+) %", (folder / "accuracy").read_text()).group(1))


def check(what, logits, labels):
  right = int((logits.argmax(1) == labels).sum())
  print(f"{what}: {right} of {len(labels)} right")
  if round(100 * right / len(labels), 2) != said():
    sys.exit(f"exchange: {what} has another accuracy than training printed: {said()} %")


labels = idx("t10k-labels-idx1-ubyte.gz", 8)
if "--compare" in sys.argv:
  ours, theirs = np.load(folder / "logits.npy"), np.load(folder / "runtime.npy")
  check("martlet run", ours, labels)
  print(f"largest difference of a logit: {np.abs(ours - theirs).max():.1e} of {np.abs(theirs).max():.1f}")
  if not (ours.argmax(1) == theirs.argmax(1)).all():
    sys.exit("exchange: a digit is another one in ONNX Runtime")
  sys.exit()

import onnx
import onnxruntime
import torch
from safetensors.torch import load_file, save_file

model = onnx.load(folder / "lenet5.onnx")
onnx.checker.check_model(model, full_check=True)
about = {entry.key: entry.value for entry in model.metadata_props}
pixels = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1).astype(np.float32) / 255
images = (pixels - np.float32(about["mean"])) / np.float32(about["deviation"])
np.save(folder / "images.npy", images)
session = onnxruntime.InferenceSession(folder / "lenet5.onnx", providers=["CPUExecutionProvider"])
logits = session.run(None, {"images": images})[0]
np.save(folder / "runtime.npy", logits)
check("ONNX Runtime", logits, labels)


class LeNet5(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.convolution1 = torch.nn.Conv2d(1, 6, 5, padding=2)
    self.convolution2 = torch.nn.Conv2d(6, 16, 5)
    self.dense1 = torch.nn.Linear(400, 120)
    self.dense2 = torch.nn.Linear(120, 84)
    self.output = torch.nn.Linear(84, 10)

  def forward(self, x):
    x = torch.nn.functional.max_pool2d(torch.relu(self.convolution1(x)), 2)
    x = torch.nn.functional.max_pool2d(torch.relu(self.convolution2(x)), 2)
    # The dense layer was trained on rows of height, width and channels.
    x = x.permute(0, 2, 3, 1).flatten(1)
    return self.output(torch.relu(self.dense2(torch.relu(self.dense1(x)))))


network = LeNet5()
network.load_state_dict(load_file(folder / "lenet5.safetensors"))
with torch.no_grad():
  check("PyTorch", network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy(), labels)
save_file(network.state_dict(), folder / "from-torch.safetensors")
