#!/usr/bin/env python3
"""Writes the ONNX project's own node tests as files, one directory a test: model.onnx and
test_data_set_*/input_*.pb, output_*.pb. The tests with `_expanded` in their name (an operator
replaced by its function's body) go to a directory of their own.

Usage: dump-onnx-tests.py BASE EXPANDED
"""
import os
import sys

import numpy
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


def message(value, type_proto):
  kind = type_proto.WhichOneof("value")
  if kind == "optional_type":
    return numpy_helper.from_optional(value) if value is None else optional(value, type_proto)
  if kind == "sequence_type":
    return numpy_helper.from_list(value)
  if kind == "map_type":
    return numpy_helper.from_dict(value)
  if isinstance(value, onnx.TensorProto):
    return value
  return numpy_helper.from_array(numpy.asarray(value))


def optional(value, type_proto):
  made = onnx.OptionalProto()
  inner = message(value, type_proto.optional_type.elem_type)
  if isinstance(inner, onnx.TensorProto):
    made.elem_type = onnx.OptionalProto.TENSOR
    made.tensor_value.CopyFrom(inner)
  else:
    made.elem_type = onnx.OptionalProto.SEQUENCE
    made.sequence_value.CopyFrom(inner)
  return made


def write(path, data):
  with open(path, "wb") as file:
    file.write(data)


def main():
  base, expanded = sys.argv[1], sys.argv[2]
  counts = [0, 0]
  for case in collect_testcases(None):
    is_expanded = "_expanded" in case.name
    folder = os.path.join(expanded if is_expanded else base, case.name)
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "model.onnx"), case.model.SerializeToString())
    for number, (inputs, outputs) in enumerate(case.data_sets):
      data = os.path.join(folder, f"test_data_set_{number}")
      os.makedirs(data, exist_ok=True)
      for kind, values, infos in (
          ("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
        for index, (value, info) in enumerate(zip(values, infos)):
          made = message(value, info.type)
          made.name = info.name
          write(os.path.join(data, f"{kind}_{index}.pb"), made.SerializeToString())
    counts[is_expanded] += 1
  print(f"{counts[0]} base, {counts[1]} expanded")


main()
