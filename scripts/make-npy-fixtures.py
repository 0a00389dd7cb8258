#!/usr/bin/env python3
"""Makes Tests/DataTests/Fixtures/numpy: .npy and .npz files as NumPy writes them. Needs NumPy.

Element i, in row-major order, is i - 5 (i % 2 for bools, i for unsigned integers), whatever the order in memory."""

import pathlib

import numpy as np

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures/numpy"


def array(dtype, shape):
    count = int(np.prod(shape, dtype=int))
    values = np.arange(count)
    kind = np.dtype(dtype).kind
    values = values % 2 if kind == "b" else values if kind == "u" else values - 5
    return values.astype(dtype).reshape(shape)


def save(name, value, version=None):
    with open(OUTPUT / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, value, version=version)


OUTPUT.mkdir(parents=True, exist_ok=True)
for dtype in ("f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"):
    save(dtype, array(dtype, (2, 3)))
for dtype in (">f8", ">f4", ">f2", ">i2", ">i8", ">u4"):
    save("big-" + dtype[1:], array(dtype, (2, 3)))
save("fortran", np.asfortranarray(array("f4", (2, 3, 4))))
save("fortran-big", np.asfortranarray(array(">i4", (3, 5))))
save("scalar", array("f4", ()))
save("vector", array("f4", (7,)))
save("empty", array("f4", (0, 3)))
save("version2", array("f4", (2, 3)), (2, 0))
save("version3", array("f4", (2, 3)), (3, 0))
save("text", np.array(["a", "b"]))
save("complex", np.array([1j]))
save("records", np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]))
np.savez(OUTPUT / "stored.npz", x=array("f4", (2, 3)), y=np.asfortranarray(array(">i4", (3, 5))), z=array("b1", ()))
np.savez_compressed(OUTPUT / "deflated.npz", x=array("f4", (2, 3)), zeros=np.zeros((100, 100)))
