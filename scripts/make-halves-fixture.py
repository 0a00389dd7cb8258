#!/usr/bin/env python3
"""Writes Tests/DataTests/Fixtures/halves.safetensors with PyTorch and the reference implementation:
bfloat16 and float16 tensors of every kind of number, and what they are as float32.

The Swift tests read it, compare every value, and write the same tensors: the two files must be equal byte by
byte. Needs `pip install torch safetensors==0.8.0`. With an argument it instead reads that file and prints it.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures/halves.safetensors"

if len(sys.argv) > 1:
    for name, tensor in load_file(sys.argv[1]).items():
        print(name, tensor.dtype, tuple(tensor.shape), tensor.reshape(-1)[:4].float().tolist())
    sys.exit()

# Every 61st pattern: each exponent with several fractions, subnormals, infinities, NaNs with payloads.
bits = torch.arange(0, 65536, 61, dtype=torch.int32)
bits = torch.cat([bits, torch.tensor([0x8000, 0x7C00, 0xFC00, 0x7F80, 0xFF80, 0x7FC1, 0xFFFF, 0x0001, 0x8001, 0x3C00])])
patterns = bits.to(torch.int16)
single = torch.randn(5, 33, generator=torch.Generator().manual_seed(3)) * torch.logspace(-9, 9, 33)
tensors = {
    "bfloat16.all": patterns.view(torch.bfloat16).clone(),
    "float16.all": patterns.view(torch.float16).clone(),
    "bfloat16.all.float32": patterns.view(torch.bfloat16).float(),
    "float16.all.float32": patterns.view(torch.float16).float(),
    "single": single,
    "bfloat16.rounded": single.bfloat16(),
    "float16.rounded": single.half(),
    "bfloat16.scalar": torch.tensor(-2.5, dtype=torch.bfloat16),
    "float16.empty": torch.zeros(3, 0, dtype=torch.float16),
}
save_file(tensors, OUTPUT)
print(OUTPUT.stat().st_size, "bytes")
