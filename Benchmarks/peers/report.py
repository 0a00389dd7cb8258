"""docs/benchmarks.md from the results of run.py."""
import math

from workloads import WORKLOADS

NAMES = dict(torch="PyTorch", compile="torch.compile", jax="JAX")


def number(x, digits=3):
    """Three digits that count."""
    if x is None:
        return "–"
    if x < 5e-7:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(x))))
    return f"{x:.{places}f}"


def seconds(x):
    if x is None:
        return "–"
    return f"{x:.1f} s" if x >= 1 else f"{x * 1e3:.0f} ms" if x >= 0.01 else f"{x * 1e3:.1f} ms"


class Row:
    """One workload with one number of threads."""

    def __init__(self, workload, threads, entry):
        self.workload, self.threads, self.entry = workload, threads, entry
        programs = entry["programs"]
        self.ours = programs["martlet"]
        self.result = self.ours["result"]
        self.peers = {name: programs[name] for name in NAMES if name in programs}
        self.best = min(self.peers, key=lambda n: self.peers[n]["step_ms"], default=None)

    @property
    def ratio(self):
        """How many times as fast as the best peer."""
        return self.peers[self.best]["step_ms"] / self.ours["step_ms"] if self.best else None

    @property
    def limit(self):
        limit = self.result["limit_ms"]
        return limit / self.ours["step_ms"] if limit else None

    @property
    def memory(self):
        """Resident megabytes: ours, the least peer's, and what is allowed."""
        needed = 1.15 * self.ours["needed_bytes"] / 1e6 + 30
        least = min((p["maxrss_mb"] for p in self.peers.values()), default=None)
        allowed = max(needed, least / 3) if least else needed
        return self.result["maxrss_mb"], least, allowed

    def peer(self, name, key):
        return self.peers.get(name, {}).get(key)


def turns(rows):
    """How often the programs took turns, by threads where that differs."""
    by_threads = {row.threads: row.entry["rounds"] for row in rows}
    if len(set(by_threads.values())) == 1:
        return str(rows[0].entry["rounds"])
    return " and ".join(f"{n} (threads: {threads})" for threads, n in sorted(by_threads.items()))


def mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def steps(rows):
    """Medians and ratios, the losing cases first."""
    header = ["workload", "Martlet ms", "± IQR", *(f"{n} ms" for n in NAMES.values()),
              "times as fast as the best", "of the limit"]
    lines = []
    for row in sorted(rows, key=lambda r: r.ratio or 0):
        ratio = number(row.ratio)
        if row.ratio and row.ratio < 1:
            ratio = f"**{ratio}**"
        limit = f"{row.limit * 100:.0f} %" if row.limit else "–"
        lines.append([row.workload, number(row.ours["step_ms"]), number(row.ours["iqr_ms"], 2),
                      *(number(row.peer(n, "step_ms")) for n in NAMES), ratio, limit])
    return table(header, lines)


def firsts(rows):
    header = ["workload", "Martlet", "of it, to have a step", *NAMES.values()]
    return table(header, [
        [row.workload, seconds(row.result["first_step_s"]), f"{row.result['compile_ms']:.1f} ms",
         *(seconds(row.peer(n, "first_step_s")) for n in NAMES)] for row in rows])


def memory(rows):
    header = ["workload", "Martlet MB", *(f"{n} MB" for n in NAMES.values()), "allowed MB"]
    lines = []
    for row in rows:
        ours, _, allowed = row.memory
        text = f"{ours:.0f}" if ours <= allowed else f"**{ours:.0f}**"
        lines.append([row.workload, text,
                      *(number(row.peer(n, "maxrss_mb")) for n in NAMES), f"{allowed:.0f}"])
    return table(header, lines)


def scaling(rows):
    header = ["workload", "two threads ms", "two processes, a step of either ms", "two threads / two processes"]
    lines = []
    for row in rows:
        pair = row.entry["programs"].get("two")
        if pair:
            ratio = pair["step_ms"] / row.ours["step_ms"]
            lines.append([row.workload, number(row.ours["step_ms"]), number(pair["step_ms"]),
                          number(ratio)])
    return table(header, lines) if lines else []


def counts(rows):
    header = ["workload", "parameters", "MFLOP", "MB", "kernels", "arena", "over its lower bound",
              "C"]
    lines = []
    for row in rows:
        r = row.result
        bound = r["arena_lower_bound_bytes"]
        lines.append([
            row.workload, f"{r['params']:,}", number(r["flops"] / 1e6), number(r["bytes"] / 1e6),
            str(r["kernels"]), f"{number(r['arena_bytes'] / 1e6)} MB" if r["arena_bytes"] else "0",
            f"{r['arena_bytes'] / bound:.3f}" if bound else "–", f"{r['c_bytes'] / 1e3:.0f} kB"])
    return table(header, lines)


def text(results):
    rows = []
    for key, entry in results.items():
        if key == "machine":
            continue
        workload, threads = key.split()
        rows.append(Row(workload, int(threads), entry))
    order = list(WORKLOADS)
    rows.sort(key=lambda r: (r.threads, order.index(r.workload)))
    if not rows:
        return "# Benchmarks\n\nNothing was measured yet: `make bench-peers`.\n"
    m = results["machine"]
    versions = {}
    for row in rows:
        for peer in row.peers.values():
            versions.update(peer.get("versions", {}))
    dates = sorted({row.entry["date"] for row in rows})
    named = [w for w in order if any(r.workload == w for r in rows)]
    losing = [r for r in rows if r.ratio and r.ratio < 1]
    lines = [
        "# Benchmarks", "",
        "Written by `make bench-peers`; do not edit. What limits each workload and what was tried is in",
        "[performance.md](performance.md).", "",
        f"- Date: {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") + f"; commit {m['commit']}",
        f"- Machine: {m['processor']}, {m['processors']} processors, {m['system']}; instruction set "
        f"{rows[0].result['isa']}",
        f"- Martlet {m['martlet']}, `swift build -c release`, back end libtcc",
        f"- Peers: {', '.join(f'{n} {v}' for n, v in versions.items())}, Python {m['python']}, "
        f"torch.compile through {m['compiler']}",
        "- Threads: 1 and 2, everybody pinned to the same processors. `OMP_NUM_THREADS`, "
        "`torch.set_num_threads`,",
        "  `--xla_cpu_multi_thread_eigen`, `intra_op_parallelism_threads`, `martlet bench --threads`.",
        "- Float32. A training workload is the whole step: forward, backward, update. Shapes, layers and "
        "optimizers:",
        "  [Benchmarks/peers/workloads.py](../Benchmarks/peers/workloads.py).",
        f"- Each program is a process; they take turns, A B C D, {turns(rows)} times, "
        f"{number(rows[0].entry['seconds'])} s each in all; medians of all steps.",
        "- \"Of the limit\": the step's multiply-adds at the processor's peak, or its bytes at the "
        "bandwidth of a copy, over the",
        "  time of a step; peak and bandwidth are measured in Martlet's own process.", ""]
    for threads in sorted({r.threads for r in rows}):
        some = [r for r in rows if r.threads == threads]
        overall = mean(r.ratio for r in some)
        lines += [f"## Step times, {threads} thread{'s' if threads > 1 else ''}", ""]
        lines += steps(some)
        if overall:
            lines += [f"Geometric mean: {overall:.2f} times as fast as the best peer of each workload ("
                      + ", ".join(
                          f"{NAMES[n]} {mean(r.peers[n]['step_ms'] / r.ours['step_ms'] for r in some if n in r.peers):.2f}"
                          for n in NAMES if any(n in r.peers for r in some))
                      + ").", ""]
    if losing:
        lines += ["Slower than a peer: " + ", ".join(
            f"{r.workload} with {r.threads} thread{'s' if r.threads > 1 else ''} ({number(r.ratio)} of "
            f"{NAMES[r.best]}'s speed)" for r in sorted(losing, key=lambda r: r.ratio)) + ".", ""]
    two = scaling(rows)
    if two:
        lines += ["## Two threads", "",
                  "Against the throughput of two processes with a thread each that run at the same "
                  "time: 1 is all that the processors give.", ""] + two
    one = [r for r in rows if r.threads == rows[0].threads]
    lines += [
        "## First steps", "",
        "From the model's closure, with inputs and first weights in memory, to the result of the first "
        "step; imports excluded.",
        "\"To have a step\" is that less an ordinary step: tracing, passes, C, machine code, page faults, "
        "packing. Before each first step another process touches memory and gives it back: what a virtual "
        "machine's host takes to find it,",
        "7 µs a page, is nobody's.", ""] + firsts(one)
    lines += [
        "## Memory", "",
        "Largest resident size of the process, one thread. \"Allowed\" is the target: a third of the least "
        "peer, or 1.15 × (parameters,",
        "optimizer state, inputs, results, arena) + 30 MB, whichever is larger.", ""] + memory(one)
    lines += ["## Counts", "", "Of one step.", ""] + counts(one)
    failures = [(r, n, t) for r in rows for n, t in r.entry.get("failures", {}).items()]
    if failures:
        lines += ["## What did not run", ""]
        lines += [f"- {r.workload}, {NAMES[n]}, {r.threads} threads: `{t.splitlines()[-1]}`"
                  for r, n, t in failures] + [""]
    missing = [w for w in order if w not in named]
    if missing:
        lines += [f"Not measured: {', '.join(missing)}.", ""]
    return "\n".join(lines)
