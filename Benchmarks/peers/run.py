#!/usr/bin/env python3
"""Martlet beside PyTorch, torch.compile and JAX: one run, in turns, on the same processors.

Every program is a process of its own. They build the workload one after another, and each first
step is timed alone; then they take turns, A B C D A B C D …, while the others sleep. Results are
kept in a file, so that a run may be made in pieces, and docs/benchmarks.md is written from it.

    run.py --tool PATH [--workloads A,B] [--peers torch,compile,jax] [--threads 1,2] [--seconds S]
           [--rounds N] [--quick] [--keep-caches] [--results FILE] [--output FILE] [--report]
"""
import argparse
import json
import mmap
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

import report
from workloads import WORKLOADS

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ("torch", "compile", "jax")
# Two threads of one process against two processes of one thread.
SCALING = ("mlp_wide", "resnet20", "vgg_infer")


def touch_memory(gigabytes, seconds=2.5):
    """Uses memory, holds it and gives it back, so that the host has found it.

    The host of a virtual machine finds memory for it when it is touched first, at 0.6 GB/s, and takes back what lies
    free; Linux tells it every two seconds. Held for longer than that, what others gave back before has been told of,
    and after the return two seconds are left: the first step meets the page faults of its own system alone.

    Private memory: Python's default is shared, which comes in small pages, and those do not go to who asks next for
    large ones.
    """
    with mmap.mmap(-1, gigabytes << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        for start in range(0, len(memory), 64 << 20):
            memory[start:start + (64 << 20):4096] = b"\1" * (64 << 8)
        time.sleep(seconds)


class Runner:
    """A process that runs a workload when told to."""

    def __init__(self, name, command, processors, environment):
        self.name, self.times, self.rounds = name, [], []
        self.errors = open(os.path.join(environment["PEERS_CACHE"], f"{name}.log"), "w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=environment, preexec_fn=lambda: os.sched_setaffinity(0, processors))
        self.first = None

    def set_up(self):
        """Waits until inputs and first weights are in memory."""
        self.answer()

    def begin(self):
        self.tell("first")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            tail = self.errors.read().strip().splitlines()[-6:]
            raise RuntimeError("\n".join([f"{self.name} ended"] + tail))
        return json.loads(line)

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: its answer says why

    def begun(self):
        """Waits for the first step."""
        self.first = self.answer()

    def note(self, answer):
        self.times += answer["times_ms"]
        self.rounds.append(statistics.median(answer["times_ms"]))

    def run(self, seconds):
        self.tell(f"run {seconds}")
        self.note(self.answer())

    def end(self):
        self.tell("end")
        result = self.answer()
        self.process.stdin.close()
        self.process.wait()
        return result

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Pair:
    """Two processes with a thread each that run at the same time: what two processors can do."""

    name = "two"

    def __init__(self, command, processors, environment):
        self.members = [Runner("two", command, [p], environment) for p in processors]
        self.stages("set_up", "begin", "begun")

    def stages(self, *names):
        for name in names:
            for member in self.members:
                getattr(member, name)()

    def run(self, seconds):
        for member in self.members:
            member.tell(f"run {seconds}")
        for member in self.members:
            member.note(member.answer())

    def entry(self):
        """Steps a second of both together, as the time of one of them."""
        rate = sum(1 / statistics.median(m.times) for m in self.members)
        for member in self.members:
            member.end()
        return dict(step_ms=1 / rate)

    def kill(self):
        for member in self.members:
            member.kill()


def measure(workload, threads, arguments):
    """What each program did, by name."""
    # The same processors for everybody: JAX has no other switch for its number of threads.
    processors = sorted(os.sched_getaffinity(0))[:threads]
    cache = os.path.join(arguments.cache, f"{workload}-{threads}")
    if not arguments.keep_caches:
        shutil.rmtree(cache, ignore_errors=True)
    cold = not os.path.isdir(os.path.join(cache, "inductor"))
    os.makedirs(cache, exist_ok=True)
    environment = dict(os.environ, PEERS_CACHE=cache)
    # First steps are reported of one thread: with more, torch.compile may take what it compiled for other
    # workloads (headers above all), and all programs make their first steps at the same time.
    is_timed = threads == 1
    inductor = os.path.join(cache if is_timed else arguments.cache, "inductor")
    environment["TORCHINDUCTOR_CACHE_DIR"] = inductor
    commands = {"martlet": [arguments.tool, "bench", workload, "--serve", "--threads", str(threads)]}
    for peer in arguments.peers:
        commands[peer] = [sys.executable, os.path.join(HERE, "serve.py"), peer, workload, str(threads)]
    runners, failures = [], {}

    def stage(some, *names):
        """Steps of the protocol; who fails is left out."""
        for name in names:
            for runner in [r for r in some if r in runners]:
                try:
                    getattr(runner, name)()
                except (RuntimeError, OSError) as error:
                    if runner.name == "martlet":
                        raise
                    failures[runner.name] = str(error)
                    print(f"  {runner.name}: {error}", file=sys.stderr)
                    runner.kill()
                    runners.remove(runner)
    try:
        for name, command in commands.items():
            runner = Runner(name, command, processors, environment)
            runners.append(runner)
            if is_timed:
                stage([runner], "set_up")
                # Behind the set-up, which takes seconds itself.
                touch_memory(1)
                stage([runner], "begin", "begun")
        if not is_timed:
            stage(list(runners), "set_up", "begin", "begun")
        pair = None
        if threads == 2 and workload in SCALING:
            command = commands["martlet"][:-1] + ["1"]
            pair = Pair(command, processors, environment)
            runners.append(pair)
        for _ in range(arguments.rounds):
            for runner in runners:
                runner.run(arguments.seconds / arguments.rounds)
        results = {}
        for runner in runners:
            if runner is pair:
                results[pair.name] = pair.entry()
                continue
            times = sorted(runner.times)
            entry = dict(step_ms=statistics.median(times), steps=len(times), rounds_ms=runner.rounds,
                         iqr_ms=times[len(times) * 3 // 4] - times[len(times) // 4],
                         first_step_s=runner.first["first_step_s"], **runner.end())
            # Not alone, or a compiler that finds its own earlier result on disk: nothing to report.
            if not is_timed or runner.name == "compile" and not cold:
                del entry["first_step_s"]
            results[runner.name] = entry
        return results, failures
    finally:
        for runner in runners:
            runner.kill()


def machine(tool):
    model = platform.processor()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(l.split(":", 1)[1].strip() for l in file if l.startswith("model name"))
    except (OSError, StopIteration):
        pass
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    compiler = subprocess.run([os.environ.get("CXX", "g++"), "--version"], capture_output=True,
                              text=True).stdout.splitlines()
    return dict(processor=model, processors=len(os.sched_getaffinity(0)), system=platform.platform(),
                python=platform.python_version(), commit=commit,
                compiler=compiler[0] if compiler else "none",
                martlet=subprocess.run([tool, "--version"], capture_output=True,
                                       text=True).stdout.strip())


def known(tool):
    """The workloads that this version of the tool has, in the order of the table."""
    lines = subprocess.run([tool, "bench", "--list"], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in lines.stdout.splitlines()]
    return [name for name in WORKLOADS if name in names]


def listed(text):
    return [word for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tool", required=True, help="the program martlet")
    parser.add_argument("--workloads", type=listed, help="all that the tool has, if not given")
    parser.add_argument("--peers", type=listed, default=list(PEERS))
    parser.add_argument("--threads", type=lambda t: [int(n) for n in listed(t)], default=None,
                        help="1 and 2, or 1 on one processor")
    parser.add_argument("--seconds", type=float, help="for each program and workload; 6, quick 1")
    parser.add_argument("--rounds", type=int, help="6, quick 2")
    parser.add_argument("--quick", action="store_true", help="about 10 minutes in all")
    parser.add_argument("--keep-caches", action="store_true",
                        help="torch.compile may find its earlier code; its first step is not timed")
    parser.add_argument("--cache", default=".build/bench-peers")
    parser.add_argument("--results", default=".build/bench-peers/results.json")
    parser.add_argument("--output", default="docs/benchmarks.md")
    parser.add_argument("--report", action="store_true", help="only write the table again")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (1 if arguments.quick else 6)
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 6)
    available = known(arguments.tool)
    workloads = arguments.workloads or available
    for name in workloads:
        if name not in available:
            parser.error(f"unknown workload '{name}'; the tool has {', '.join(available)}")
    for name in arguments.peers:
        if name not in PEERS:
            parser.error(f"unknown peer '{name}'; expected {', '.join(PEERS)}")
    processors = len(os.sched_getaffinity(0))
    threads = arguments.threads or ([1, 2] if processors > 1 else [1])
    if max(threads) > processors:
        parser.error(f"--threads {max(threads)}: this machine has {processors} processors")

    os.makedirs(os.path.dirname(arguments.results) or ".", exist_ok=True)
    results = {}
    if os.path.exists(arguments.results):
        with open(arguments.results) as file:
            results = json.load(file)
    if not arguments.report:
        for count in threads:
            for workload in workloads:
                print(f"{workload}, {count} thread{'s' if count > 1 else ''}", file=sys.stderr)
                measured, failures = measure(workload, count, arguments)
                old = results.get(f"{workload} {count}", {}).get("programs", {})
                for name, entry in old.items():
                    if name in measured and "first_step_s" not in measured[name]:
                        if "first_step_s" in entry:
                            measured[name]["first_step_s"] = entry["first_step_s"]
                results[f"{workload} {count}"] = dict(
                    programs=measured, failures=failures, date=time.strftime("%Y-%m-%d"),
                    load=os.getloadavg()[0], seconds=arguments.seconds, rounds=arguments.rounds)
                results["machine"] = machine(arguments.tool)
                with open(arguments.results + ".new", "w") as file:
                    json.dump(results, file, indent=1)
                os.replace(arguments.results + ".new", arguments.results)
                for name, entry in measured.items():
                    print(f"  {name:8} {entry['step_ms']:10.4f} ms", file=sys.stderr)
    if arguments.output:
        with open(arguments.output, "w") as file:
            file.write(report.text(results))
        print(f"wrote {arguments.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
