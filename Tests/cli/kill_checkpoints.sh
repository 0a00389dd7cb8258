#!/usr/bin/env bash
# A training run that is killed at any file operation goes on from its newest checkpoint, which is
# whole, and ends with the weights of a run that was not killed. So does one that met a full disk.
#   kill_checkpoints.sh TOOL KILLS
set -uo pipefail
tool=$1
kills=${2:-25}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ $(uname) == Linux ]] || { echo "kill_checkpoints: skipped (needs LD_PRELOAD)"; exit 0; }
${CC:-cc} -shared -fPIC -O1 -o "$work/kill_at.so" "$here/kill_at.c" -ldl || exit 1

# Ten steps, five checkpoints and the best one of each of two epochs, two of them kept.
train() { # kill at, full at, options
  # In a shell of its own, which may say "Killed" without being heard.
  (
    KILL_AT=$1 FULL_AT=$2 KILL_COUNT="$work/count" LD_PRELOAD="$work/kill_at.so" \
      "$tool" train mlp --epochs 2 --batch 800 --threads 1 --checkpoint-every 2 \
      --output "$work/model" "${@:3}" >"$work/out" 2>"$work/error"
    exit $?
  ) 2>/dev/null
}
weights() { md5sum <"$work/model/weights.safetensors"; }
fresh() { rm -rf "$work/run" "$work"/model* "$work"/.model*; }
newest() { find "$work/run" -maxdepth 1 -name 'step-*' 2>/dev/null | sort | tail -1; }

failed=0
fail() { echo "FAILED: $*" >&2; failed=$((failed + 1)); }
# Goes on, or begins where nothing was saved yet, and compares the end.
finish() { # what
  local from=(--checkpoints "$work/run")
  [[ -z $(newest) ]] || from=(--resume "$work/run")
  train 0 0 "${from[@]}" || { fail "$1: $(head -3 "$work/error")"; return; }
  [[ $(weights) == "$whole" ]] || fail "$1: other weights than without"
  local left
  left=$(find "$work" \( -name '.*martlet-tmp*' -o -name '.*martlet-old*' \) | wc -l)
  [[ $left -eq 0 ]] || fail "$1: $left leftovers"
}

fresh
train 0 0 --checkpoints "$work/run" || { cat "$work/error"; exit 1; }
points=$(cat "$work/count")
whole=$(weights)
[[ $points -ge 60 ]] || fail "only $points file operations were seen"
resumed=0
for ((i = 0; i < kills; ++i)); do
  # Spread over the operations; one after another where there are more kills than those.
  at=$((kills <= points ? 1 + i * (points - 1) / kills : 1 + i % points))
  fresh
  train "$at" 0 --checkpoints "$work/run" && fail "not killed at $at of $points"
  if [[ $((i % 3)) -eq 0 && -n $(newest) ]]; then
    # And killed again while it goes on; it may be through before that.
    train $((1 + at * 7 % points)) 0 --resume "$work/run"
  fi
  [[ -z $(newest) ]] || resumed=$((resumed + 1))
  finish "killed at $at"
done
[[ $resumed -gt $((kills / 2)) ]] || fail "only $resumed of $kills runs had a checkpoint"

full=0
for ((i = 1; i <= 5; ++i)); do
  at=$((i * points / 6))
  fresh
  train 0 "$at" --checkpoints "$work/run"
  code=$?
  [[ $code -eq 1 ]] || fail "a full disk at $at: code $code"
  grep -q "No space left on device" "$work/error" || fail "a full disk at $at: $(head -3 "$work/error")"
  [[ $(wc -l <"$work/error") -le 6 ]] || fail "a full disk at $at: a long message"
  full=$((full + 1))
  finish "a full disk at $at"
done
echo "kill_checkpoints: $kills kills at $points file operations, $resumed resumed, $full full disks, $failed failed"
[[ $failed -eq 0 ]]
