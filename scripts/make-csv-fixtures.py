#!/usr/bin/env python3
"""Makes Tests/DataTests/Fixtures/csv.json: random tables written by Python's csv module in several dialects, with
the fields that csv.reader gives back. Needs Python 3 alone."""

import csv
import io
import json
import pathlib
import random

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures/csv.json"
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
PIECES = ["a", "Zoë", "1.5", "-2e3", '"', '""', ",", ";", "\t", "\n", "\r\n", " ", "日本", "x y", "NA", ""]


def main():
    draw = random.Random(4180)
    cases = []
    for number in range(60):
        name = draw.choice(sorted(SEPARATORS))
        columns = draw.randint(2, 5)
        rows = [
            ["".join(draw.choice(PIECES) for _ in range(draw.randint(0, 3))) for _ in range(columns)]
            for _ in range(draw.randint(1, 6))]
        text = io.StringIO()
        csv.writer(
            text, delimiter=SEPARATORS[name], lineterminator=draw.choice(["\n", "\r\n"]),
            quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])).writerows(rows)
        read = list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=SEPARATORS[name]))
        assert read == rows
        cases.append({"separator": name, "text": text.getvalue(), "rows": rows})
    OUTPUT.write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n")


main()
