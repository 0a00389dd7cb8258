"""Classifies the test digits with a saved LeNet-5, trains it further, saves it, and reads it again.

    python3 digits.py MODELDIR FOLDER-WITH-IDX-FILES OUTPUT
"""

import sys

import numpy as np

import martlet

directory, data, output = sys.argv[1:4]


def idx(name, header, shape):
    return np.fromfile(f"{data}/{name}", np.uint8, offset=header).reshape(shape)


images, labels = idx("t10k-images-idx3", 16, (-1, 28, 28, 1)), idx("t10k-labels-idx1", 8, -1)
more, targets = idx("train-images-idx3", 16, (-1, 28, 28, 1)), idx("train-labels-idx1", 8, -1).astype(np.int32)


def accuracy(model, **options):
    run = model.session(batch=100, pixels=True, **options)
    p = np.concatenate([run(images=images[i : i + 100])["probabilities"] for i in range(0, 1000, 100)])
    assert np.allclose(p.sum(1), 1, atol=1e-5)
    return (p.argmax(1) == labels).mean()


model = martlet.Model(directory)
before = accuracy(model)
step = model.training(batch=50, pixels=True, optimizer="momentum")
for epoch in range(2):
    losses = [
        step(learning_rate=0.01, images=more[i : i + 50], labels=targets[i : i + 50]) for i in range(0, 4000, 50)]
    print(f"epoch {epoch}: loss {np.mean(losses):.4f}")
# What a kill would interrupt: saved, and taken up by another model, with the same bits.
step.save_training(output + ".state")
resumed = martlet.Model(directory).training(batch=50, pixels=True, optimizer="momentum")
assert resumed.load_training(output + ".state") == 160
assert step(learning_rate=0.01, images=more[:50], labels=targets[:50]) == resumed(
    learning_rate=0.01, images=more[:50], labels=targets[:50])
model.save(output)
after = accuracy(martlet.Model(output))
print(f"accuracy {before:.3f}, after two epochs {after:.3f}")
assert after > before and after == accuracy(model, live=True)

# What does not fit is an exception that says so.
run = model.session()
for wrong, status in [
    ({"images": np.zeros((1, 28, 28, 1))}, "MARTLET_WRONG_DTYPE"),
    ({"images": np.zeros((28, 28, 1), np.float32)}, "MARTLET_WRONG_SHAPE"),
    ({"image": np.zeros((1, 28, 28, 1), np.float32)}, "MARTLET_UNKNOWN_NAME"),
    ({}, "MARTLET_NOT_BOUND"),
]:
    try:
        run(**wrong)
        raise SystemExit(f"no {status}")
    except martlet.MartletError as error:
        assert error.status == status, error
print("python: ok")
