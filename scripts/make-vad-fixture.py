#!/usr/bin/env python3
"""Writes Examples/audio/expected.txt: what ONNX Runtime gives for the synthesized file, frame by frame.

    vad --synthesize speech.wav; scripts/make-vad-fixture.py silero_vad_16k_op15.onnx speech.wav
"""

import pathlib
import sys
import wave

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
with wave.open(sys.argv[2]) as file:
    samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
state, context = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
lines = []
for at in range(0, len(samples) - 511, 512):
    x = np.concatenate([context, samples[at : at + 512]])[None]
    p, state = session.run(None, {"input": x, "state": state, "sr": np.array(16000, np.int64)})
    context = x[0, -64:]
    lines.append(f"{p[0, 0]:.6f}")
path = pathlib.Path(__file__).parent.parent / "Examples/audio/expected.txt"
path.write_text("\n".join(lines) + "\n")
print(f"{len(lines)} frames, {sum(float(x) >= 0.5 for x in lines)} of speech")
