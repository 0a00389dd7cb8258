#!/usr/bin/env python3
"""Makes Tests/DataTests/Fixtures/images: JPEG files and what PIL makes of them, as PNG; resized pictures by PIL's
filters. Needs Pillow."""

import pathlib

from PIL import Image

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures/images"
OUTPUT.mkdir(parents=True, exist_ok=True)
WIDTH, HEIGHT = 33, 21


def picture():
    """A gradient with a disc on it: smooth parts, edges, saturated colours."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            inside = (x - 20) ** 2 + (y - 9) ** 2 < 36
            image.putpixel((x, y), (230, 40, 30) if inside else (7 * x, 11 * y, 255 - 5 * x))
    return image


source = picture()
source.save(OUTPUT / "source.png")
for name, image, options in (
        ("baseline", source, dict(quality=90)),
        ("full", source, dict(quality=95, subsampling=0)),
        ("progressive", source, dict(quality=80, progressive=True)),
        ("gray", source.convert("L"), dict(quality=85))):
    image.save(OUTPUT / f"{name}.jpg", "JPEG", **options)
    Image.open(OUTPUT / f"{name}.jpg").save(OUTPUT / f"{name}.png")
source.convert("CMYK").save(OUTPUT / "cmyk.jpg", "JPEG")
for name, size, kind in (
        ("bilinear-small", (14, 10), Image.Resampling.BILINEAR), ("bilinear-large", (60, 50), Image.Resampling.BILINEAR),
        ("area-third", (11, 7), Image.Resampling.BOX)):
    source.resize(size, kind).save(OUTPUT / f"{name}.png")
