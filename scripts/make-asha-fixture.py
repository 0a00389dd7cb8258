#!/usr/bin/env python3
"""Writes Tests/RecipeTests/Fixtures/asha.json: learning curves, and where Optuna's SuccessiveHalvingPruner
ends each of them. Needs `pip install optuna` (written with 5.0.0).

Several trials run at a time, an epoch each in turn, so that rungs fill up out of order.
"""
import json
import pathlib

import numpy as np
import optuna

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/RecipeTests/Fixtures/asha.json"
optuna.logging.set_verbosity(optuna.logging.ERROR)


def case(seed, first, factor, direction, trials=40, epochs=27, workers=4):
    rng = np.random.default_rng(seed)
    floors, rates = rng.uniform(0.1, 1, trials), rng.uniform(0.05, 0.6, trials)
    t = np.arange(1, epochs + 1)
    curves = floors[:, None] + np.exp(-rates[:, None] * t) + rng.normal(0, 0.03, (trials, epochs))
    if direction == "maximize":
        curves = 1 - curves
    curves = np.round(curves, 6)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
    study = optuna.create_study(direction=direction, pruner=pruner)
    running, log = [], []
    while len(study.trials) < trials or running:
        while len(running) < workers and len(study.trials) < trials:
            running.append([study.ask(), 0])
        for entry in list(running):
            trial, epoch = entry
            value = float(curves[trial.number, epoch])
            trial.report(value, epoch + 1)
            stops = trial.should_prune()
            log.append([trial.number, value, stops])
            entry[1] += 1
            if stops or entry[1] == epochs:
                running.remove(entry)
                state = optuna.trial.TrialState.PRUNED if stops else optuna.trial.TrialState.COMPLETE
                study.tell(trial, None if stops else value, state=state)
    return {"first": first, "factor": factor, "rising": direction == "maximize", "log": log}


cases = [case(1, 1, 3, "minimize"), case(2, 2, 2, "maximize"), case(3, 1, 4, "minimize", trials=60, workers=7)]
OUTPUT.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(OUTPUT, OUTPUT.stat().st_size, "bytes;", [sum(e[2] for e in c["log"]) for c in cases], "pruned")
