"""Martlet from Python without a wheel: ctypes over libmartlet.so, NumPy arrays in and out.

    model = martlet.Model("lenet5.martlet")
    run = model.session(batch=8, pixels=True)
    p = run(images=images)["probabilities"]          # images: uint8 [8, 28, 28, 1]

    step = model.training(batch=50, optimizer="adam")
    loss = step(learning_rate=1e-3, images=x, labels=y)
    model.save("better.martlet")

The library is found by $MARTLET_LIBRARY, or where the system looks for libmartlet.so.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p

import numpy as np

_DTYPES = ["f8", "f4", "f2", None, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
_library = ctypes.CDLL(os.environ.get("MARTLET_LIBRARY", "libmartlet.so.0"))


class _Dimension(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("extent", c_int64)]


class _Options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("threads", c_int32), ("pixels", c_int32), ("live", c_int32), ("batch", c_int64),
        ("seed", c_uint64), ("optimizer", c_char_p), ("dimensions", POINTER(_Dimension)), ("dimension_count", c_size_t)]


class _Tensor(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int), ("rank", c_int32), ("shape", POINTER(c_int64)), ("bytes", c_size_t)]


_library.martlet_last_error.restype = c_char_p
_library.martlet_status_name.restype = c_char_p
_library.martlet_train_step.argtypes = [c_void_p, c_double, POINTER(c_double)]


class MartletError(Exception):
    """A call that failed: `status` is the name of its code, such as MARTLET_BUSY."""

    def __init__(self, status):
        self.status = _library.martlet_status_name(status).decode()
        super().__init__(f"{self.status}: {_library.martlet_last_error().decode()}")


def _check(status):
    if status != 0:
        raise MartletError(status)


class Model:
    """A model directory, a .mir file or, where the library reads them, an .onnx file."""

    def __init__(self, path):
        self._handle = c_void_p()
        _check(_library.martlet_model_load(os.fsencode(path), byref(self._handle)))

    def __del__(self):
        _library.martlet_model_free(self._handle)

    def save(self, path):
        """Writes the model with its present weights as a model directory."""
        _check(_library.martlet_model_save(self._handle, os.fsencode(path)))

    def session(self, **options):
        """Compiles for inference: batch=1, pixels=False, live=False, threads=0, seed=0, dimensions={}."""
        return Session(self, _library.martlet_session_create, options)

    def training(self, optimizer=None, **options):
        """Compiles one training step, with the recipe's own optimizer or adam; see Model.session."""
        optimizer = optimizer and optimizer.encode()
        return Session(self, _library.martlet_training_create, options | {"optimizer": optimizer})


class Session:
    """A compiled program: call it with an array for each input."""

    def __init__(self, model, create, options):
        dimensions = [_Dimension(name.encode(), n) for name, n in options.pop("dimensions", {}).items()]
        table = (_Dimension * len(dimensions))(*dimensions)
        options = {"batch": 1} | options | {"dimensions": table, "dimension_count": len(dimensions)}
        self._handle, self._trains = c_void_p(), "optimizer" in options
        _check(create(model._handle, byref(_Options(ctypes.sizeof(_Options), **options)), byref(self._handle)))
        inputs, outputs = c_size_t(), c_size_t()
        _check(_library.martlet_session_counts(self._handle, byref(inputs), byref(outputs)))
        self.inputs = dict(self._describe(_library.martlet_session_input, i) for i in range(inputs.value))
        self.outputs = dict(self._describe(_library.martlet_session_output, i) for i in range(outputs.value))
        self._arrays = {}

    def __del__(self):
        _library.martlet_session_free(self._handle)

    def _describe(self, function, index):
        t = _Tensor()
        _check(function(self._handle, c_size_t(index), byref(t)))
        return t.name.decode(), (_DTYPES[t.dtype], t.shape[: t.rank])

    def _bind(self, function, name, array):
        code = next((i for i, d in enumerate(_DTYPES) if d and np.dtype(d) == array.dtype), -1)
        shape = (c_int64 * array.ndim)(*array.shape)
        _check(function(self._handle, name.encode(), c_void_p(array.ctypes.data), code, shape, array.ndim))

    def __call__(self, learning_rate=None, **inputs):
        """Runs once. Inference: a dict of fresh arrays; training: the loss before the update."""
        for name, given in inputs.items():
            # Kept: the library reads the array itself, and converts nothing.
            self._arrays[name] = np.ascontiguousarray(given).reshape(np.shape(given))
            self._bind(_library.martlet_bind_input, name, self._arrays[name])
        if self._trains:
            loss = c_double()
            _check(_library.martlet_train_step(self._handle, learning_rate, byref(loss)))
            return loss.value
        results = {name: np.empty(shape, dtype) for name, (dtype, shape) in self.outputs.items()}
        for name, array in results.items():
            self._bind(_library.martlet_bind_output, name, array)
        # The arrays before had to live until others were bound in their place.
        self._results = results
        _check(_library.martlet_run(self._handle))
        return results

    def save_training(self, path):
        """Writes weights, optimizer state and step number: load_training goes on with the same bits."""
        _check(_library.martlet_training_save(self._handle, os.fsencode(path)))

    def load_training(self, path):
        """Takes up what save_training wrote; the number of steps behind it."""
        _check(_library.martlet_training_load(self._handle, os.fsencode(path)))
        steps = c_uint64()
        _check(_library.martlet_training_steps(self._handle, byref(steps)))
        return steps.value
