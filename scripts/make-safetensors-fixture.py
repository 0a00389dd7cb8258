#!/usr/bin/env python3
"""Makes Tests/DataTests/Fixtures/python.safetensors with the reference implementation.

The Swift tests read it, compare every value, write the same tensors and compare the two files byte by byte.
Needs `pip install safetensors==0.8.0 numpy`. With an argument it instead reads that file and prints its content,
to try by hand what Martlet has written:  scripts/make-safetensors-fixture.py weights.safetensors
"""

import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures/python.safetensors"


def show(path):
    with safe_open(path, framework="numpy") as file:
        print("metadata", file.metadata())
        for name in file.keys():
            array = file.get_tensor(name)
            print(repr(name), array.dtype, array.shape, array.reshape(-1)[:4])


def main():
    if len(sys.argv) > 1:
        return show(sys.argv[1])
    kinds = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"]
    tensors = {kind: np.arange(-3 if kind[0] != "u" else 0, 3 if kind[0] != "u" else 6).astype(kind).reshape(2, 3)
               for kind in kinds}
    tensors["bool"] = np.array([True, False, True])
    tensors["scalar"] = np.array(0.5, dtype="float32")
    tensors["empty"] = np.zeros((0, 4), dtype="float32")
    tensors["Schicht.größe \"q\"\\\n\u00e9"] = np.array([1.5], dtype="float32")
    tensors["Schicht.größe \"q\"\\\ne\u0301"] = np.array([2.5], dtype="float32")  # equal to Swift's ==, not to bytes
    tensors["层.0/权重 🐦"] = np.array([-0.0, np.inf], dtype="float32")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUTPUT, metadata={"made by": "safetensors \u2014 Python"})
    show(OUTPUT)


main()
