#!/usr/bin/env python3
"""Writes the table of ONNX's node tests into docs/onnx.md, between its two marks, from the lines
that `martlet conform DIR --json` prints.

Usage: conform-table.py BASE.json EXPANDED.json docs/onnx.md
"""
import collections
import json
import sys

BEGIN, END = "<!-- conformance -->", "<!-- /conformance -->"


# Why outputs differ, by a part of the test's name.
DIFFERENCES = {
    "bernoulli": "draws are Philox's, not NumPy's",
    "training_dropout": "draws are Philox's, not NumPy's",
    "bf16": "the reference rounds each partial sum of the softmax to bfloat16; sums here are in f32",
}


def read(path):
  with open(path) as file:
    return [json.loads(line) for line in file if '"test"' in line]


def count(rows):
  counts = collections.Counter(row["status"] for row in rows)
  return tuple(counts[status] for status in ("passed", "failed", "unsupported"))


# What a message alone does not tell.
NOTES = {
    "test_dft_inverse": "the expected values hold the rounding errors (2e-7) of a float32 transform",
    "test_dft_inverse_opset19":
        "the expected values hold the rounding errors (2e-7) of a float32 transform",
}


def reason(row):
  if row["test"] in NOTES:
    return NOTES[row["test"]]
  if row["operator"] == "ImageDecoder":
    return "nothing here reads WebP and JPEG 2000"
  text = row["reason"].split("\n")
  if "not supported:" in text[0]:
    return "no such operator here: " + ", ".join(
        part.split(" × ")[0].strip() for line in text[1:] if "×" in line
        for part in line.split("), "))
  if " differ" in text[0]:
    for part, why in DIFFERENCES.items():
      if part in row["test"]:
        return why
  return text[0].replace("|", "\\|")


def main():
  base, expanded = read(sys.argv[1]), read(sys.argv[2])
  lines = ["| suite | passed | failed | unsupported |", "|---|---|---|---|"]
  for name, rows in (("base", base), ("expanded function bodies", expanded)):
    lines.append(f"| {name} ({len(rows):,} tests) | " + " | ".join(map(str, count(rows))) + " |")
  training = [row for row in base if "preview.training" in row["operator"]]
  lines.append(f"| of the base: training domain ({len(training)} tests) | "
               + " | ".join(map(str, count(training))) + " |")
  operators = collections.defaultdict(list)
  for row in base:
    operators[row["operator"]].append(row)
  whole = [name for name, rows in operators.items() if all(r["status"] == "passed" for r in rows)]
  lines += ["", f"All tests pass of {len(whole)} of {len(operators)} operators: "
            + ", ".join(sorted(whole)) + ".", ""]
  lines += ["The others:", "", "| operator | passed | failed | unsupported | why |", "|---|---|---|---|---|"]
  for name in sorted(set(operators) - set(whole)):
    rows = operators[name]
    why = collections.Counter(reason(row) for row in rows if row["status"] != "passed")
    text = "; ".join(f"{text} (× {n})" if n > 1 else text for text, n in why.most_common(3))
    if len(why) > 3:
      text += f"; and {len(why) - 3} more"
    lines.append(f"| {name} | " + " | ".join(map(str, count(rows))) + f" | {text} |")
  missed = [row for row in expanded if row["status"] != "passed"]
  if missed:
    lines += ["", "Expanded tests that do not pass:", ""]
    why = collections.defaultdict(list)
    for row in missed:
      why[reason(row)].append(row["test"])
    for text, tests in sorted(why.items(), key=lambda item: -len(item[1])):
      lines.append(f"- {text}: {len(tests)} ({', '.join(tests[:3])}{' …' if len(tests) > 3 else ''})")
  with open(sys.argv[3]) as file:
    document = file.read()
  head, rest = document.split(BEGIN)
  tail = rest.split(END)[1]
  with open(sys.argv[3], "w") as file:
    file.write(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail)


main()
