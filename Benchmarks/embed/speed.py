"""Exported LeNet-5 beside the program in process and ONNX Runtime, on one core, in turns.

    Benchmarks/embed/speed.py TOOL [--rounds 5] [--seconds 0.5] [--core 1] [--cc gcc] [--keep DIR]

The model goes through an ONNX file that `martlet convert` writes, so that all three compute the same. Needs onnxruntime
and numpy. Prints medians of the rounds' medians, in microseconds.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time
from pathlib import Path

here = Path(__file__).parent


def sh(*command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def exported(args, folder, *compile_arguments, defines=()):
    if not (folder / "bench").exists():
        build(args, folder, compile_arguments, defines)
    return lambda: float(sh(folder / "bench", args.seconds).split()[0])


def build(args, folder, compile_arguments, defines):
    sh(args.tool, "compile", *compile_arguments, "--prefix", "model", "-o", folder)
    header = (folder / "model.h").read_text()
    counts = re.findall(r"#define (MODEL_\w+_COUNT)", header)
    flags = ["-O3", "-march=native", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
    names = [f"-DINPUT_COUNT={counts[0]}", f"-DOUTPUT_COUNT={counts[-1]}", *defines]
    sources = [folder / f for f in ("model.c", "model_weights.c", "martlet_runtime.c")]
    sh(args.cc, *flags, *args.flags.split(), *names, f"-I{folder}", here / "main.c", *sources, "-o", folder / "bench", "-lm")


def runtime(path, batch, seconds):
    import numpy, onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    shape = [batch] + [d for d in port.shape[1:]]
    x = numpy.random.default_rng(0).random(shape, dtype=numpy.float32)
    binding = session.io_binding()
    binding.bind_cpu_input(port.name, x)
    binding.bind_output(session.get_outputs()[0].name)
    for _ in range(50):
        session.run_with_iobinding(binding)

    def measure():
        times, start = [], time.perf_counter()
        while (begin := time.perf_counter()) < start + seconds:
            session.run_with_iobinding(binding)
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1e6

    return measure


def in_process(args, path, batch):
    def measure():
        repeat = int(args.seconds * (20000 if batch == 1 else 800))
        text = sh(args.tool, "run", path, "--threads", 1, "--time", "--repeat", repeat)
        return float(re.search(r"median ([\d.]+) ms", text)[1]) * 1e3

    return measure


def training_in_process(args):
    def measure():
        text = sh(args.tool, "bench", "lenet5", "--threads", 1, "--seconds", args.seconds, "--json")
        return json.loads(text.splitlines()[-1])["step_ms"] * 1e3

    return measure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda p: Path(p).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--flags", default="", help="more flags for the C compiler")
    parser.add_argument("--keep", help="a folder for the files that are made")
    parser.add_argument("--prepare", action="store_true", help="builds everything, and measures nothing")
    parser.add_argument("--only", default="", help="what the rows' names hold")
    args = parser.parse_args()
    os.sched_setaffinity(0, {args.core})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(exist_ok=True)
        rows = {}
        for batch in (1, 64):
            onnx = folder / f"lenet5-{batch}.onnx"
            if not onnx.exists():
                sh(args.tool, "convert", "lenet5", "-o", onnx, "--batch", batch)
            images = "1 image" if batch == 1 else f"{batch} images"
            rows[f"{images}, exported"] = exported(args, folder / f"run{batch}", onnx)
            rows[f"{images}, in process"] = in_process(args, onnx, batch)
            rows[f"{images}, ONNX Runtime"] = runtime(onnx, batch, args.seconds)
        rows["training step of 64, exported"] = exported(
            args, folder / "train", "lenet5", "--train", "--optimizer", "momentum", "--dim", "batch=64",
            defines=["-DTRAIN"])
        rows["training step of 64, in process"] = training_in_process(args)
        rows = {name: measure for name, measure in rows.items() if args.only in name}
        if args.prepare:
            return
        times = {name: [] for name in rows}
        for _ in range(args.rounds):
            for name, measure in rows.items():
                times[name].append(measure())
        for name, found in times.items():
            print(f"{name:36} {statistics.median(found):9.1f} us   {min(found):9.1f} … {max(found):.1f}")


if __name__ == "__main__":
    main()
