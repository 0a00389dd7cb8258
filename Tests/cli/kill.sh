#!/usr/bin/env bash
# A save that is killed at any file operation leaves the old model or the new one, whole.
#   kill.sh TOOL
set -uo pipefail
tool=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ $(uname) == Linux ]] || { echo "kill: skipped (needs LD_PRELOAD)"; exit 0; }
${CC:-cc} -shared -fPIC -O1 -o "$work/kill_at.so" "$here/kill_at.c" -ldl || exit 1

train() { # seed, kill at
  # In a shell of its own, which may say "Killed" without being heard.
  (
    KILL_AT=$2 KILL_COUNT="$work/count" LD_PRELOAD="$work/kill_at.so" \
      "$tool" train mlp --epochs 1 --batch 2000 --threads 1 --seed "$1" --output "$work/model" \
      >"$work/out" 2>&1
    exit $?
  ) 2>/dev/null
}
accuracy() { "$tool" summary "$1" 2>"$work/error" | grep '^test accuracy'; }
weights() { md5sum <"$work/model/weights.safetensors"; }

failed=0
fail() { echo "FAILED: $*" >&2; failed=$((failed + 1)); }
train 1 0 || { echo "kill: the tool does not train with kill_at.so" >&2; cat "$work/out"; exit 1; }
points=$(cat "$work/count")
old="$(weights) $(accuracy "$work/model")"
cp -r "$work/model" "$work/before"
train 2 0
# Over an existing model there is more to do than for a new one.
points=$(($(cat "$work/count") > points ? $(cat "$work/count") : points))
new="$(weights) $(accuracy "$work/model")"
[[ $old != "$new" ]] || fail "two seeds give the same model"
[[ $points -ge 5 ]] || fail "only $points file operations were seen"
olds=0 news=0
for ((at = 1; at <= points; ++at)); do
  rm -rf "$work"/model*; cp -r "$work/before" "$work/model"
  train 2 "$at" && { [[ $at -eq $points ]] || fail "not killed at $at of $points"; }
  now="$(weights) $(accuracy "$work/model")"
  case $now in
    "$old") olds=$((olds + 1)) ;;
    "$new") news=$((news + 1)) ;;
    *) fail "killed at $at: neither the old model nor the new one: $now $(cat "$work/error")" ;;
  esac
  # Without an old model: none, or the new one.
  rm -rf "$work"/model*
  train 2 "$at" || true
  if [[ -e $work/model ]]; then
    [[ "$(weights) $(accuracy "$work/model")" == "$new" ]] || fail "killed at $at of a first save: a broken model"
  fi
  # The next save clears up what the last one left.
  if train 2 0; then
    left=$(find "$work" -maxdepth 1 -name '*model*' ! -name model | wc -l)
    [[ $left -eq 0 ]] || fail "killed at $at: $left leftovers after the next save"
  else
    fail "killed at $at: the next save fails: $(tail -1 "$work/out")"
  fi
done
[[ $olds -gt 0 ]] || fail "never killed before the new model was in place"
echo "kill: $points file operations, $olds times the old model, $news times the new one, $failed failed"
[[ $failed -eq 0 ]]
