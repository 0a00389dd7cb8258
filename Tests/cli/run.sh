#!/usr/bin/env bash
# Runs the tool as a user does: exit codes, last lines, error texts, what stands on standard output.
set -uo pipefail
tool=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
passed=0
failed=0

pass() { passed=$((passed + 1)); }
fail() {
  failed=$((failed + 1))
  echo "failed: $1"
  sed 's/^/  out: /' "$work/out" | tail -n 5
  sed 's/^/  err: /' "$work/err" | head -n 10
}

# run CODE NAME COMMAND…: the exit code, and errors of at most six lines that say something.
run() {
  local code=$1 name=$2
  shift 2
  "$@" >"$work/out" 2>"$work/err"
  local got=$?
  if [[ $got -ne $code ]]; then fail "$name: exit code $got, expected $code"; return 1; fi
  if [[ $code -ne 0 && $code -ne 130 ]]; then
    local lines
    lines=$(wc -l <"$work/err")
    if [[ $lines -lt 1 || $lines -gt 6 ]]; then fail "$name: $lines lines of error"; return 1; fi
  fi
  pass
}
says() { if grep -qF -- "$2" "$work/err"; then pass; else fail "$1: no '$2' in the error"; fi; }
prints() { if grep -qE -- "$2" "$work/out"; then pass; else fail "$1: no '$2' in the output"; fi; }
last() {
  if tail -n 1 "$work/out" | grep -qE -- "$2"; then pass; else fail "$1: the last line"; fi
}

# Wrong usage: 64.
run 64 "no such command" "$tool" fly
run 64 "no such model" "$tool" train lenet6 && says "no such model" "lenet5, mlp, resnet20, char-lm"
run 64 "no such optimizer" "$tool" train mlp --optimizer adamw && says "optimizer" "adam"
run 64 "batch of zero" "$tool" train mlp --batch 0
run 64 "epochs that are no number" "$tool" train mlp --epochs many
run 64 "negative rate" "$tool" train mlp --lr=-1
run 64 "too many threads" "$tool" train mlp --threads 1000

run 64 "validation of all" "$tool" train mlp --validation 1 && says "validation of all" "at most 0.9"
run 64 "patience without validation" "$tool" train mlp --patience 3
run 64 "interval without a place" "$tool" train mlp --checkpoint-every 10
run 64 "two places" "$tool" train mlp --checkpoints a --resume b
run 64 "set without a path" "$tool" train iris-mlp --set 3

# Models as C: files, refusals.
run 0 "compile" "$tool" compile mlp -o "$work/c" && prints "compile" '/mlp\.h +[0-9]+ bytes'
run 64 "compile without a place" "$tool" compile mlp
run 64 "compile with a size that is none" "$tool" compile mlp -o "$work/c" --dim batch=0
run 1 "compile with a dimension that is none" "$tool" compile mlp -o "$work/c" --dim height=3 && says \
  "compile with a dimension that is none" "expected: batch"
run 1 "compile under a bad name" "$tool" compile mlp -o "$work/c" --prefix 3x && says "compile under a bad name" "hint"
run 1 "compile of nothing" "$tool" compile "$work/nothing" -o "$work/c" && says "compile of nothing" "no such model"
run 1 "compile into a file" "$tool" compile mlp -o "$tool" && says "compile into a file" "cannot make the folder"

# Recipes: lists, runs, errors with their places, a search that goes on.
run 0 "list of recipes" "$tool" recipes && prints "list of recipes" '^iris-mlp +A small network'
run 0 "text of a recipe" "$tool" recipes show iris-mlp && prints "text of a recipe" 'source: iris'
run 1 "no such recipe" "$tool" recipes show irises && says "no such recipe" "iris-mlp"
pushd "$work" >/dev/null
run 0 "iris" "$tool" train iris-mlp --set epochs=20 && last "iris" \
  '^test accuracy: [0-9]+\.[0-9]{2} %$'
run 0 "diabetes" "$tool" train diabetes-linear && last "diabetes" \
  '^test R²: [0-9]+\.[0-9]{2} %$'
printf 'data: irsi\nmodel: [rellu, {linear: 0}]\n' >"$work/bad.yaml"
run 1 "bad recipe" "$tool" train "$work/bad.yaml" && says "bad recipe" "bad.yaml:1:7: data: unknown" \
  && says "bad recipe" "bad.yaml:2:9: model.0" && says "bad recipe" "bad.yaml:2:25: model.1.linear"
run 1 "missing recipe" "$tool" train "$work/none.yaml" && says "missing recipe" "no such file"
"$tool" recipes show iris-mlp >"$work/search.yaml"
cat >>"$work/search.yaml" <<'END'
search:
  space: {optimizer.adam.learningRate: {log: [0.001, 0.1]}, model.0.linear: {integer: [4, 32]}}
  trials: 4
  parallel: 2
END
run 0 "search" "$tool" search search.yaml --set epochs=5 \
  && last "search" '^best accuracy: [01]' && prints "search" '^trial 3 '
run 0 "search goes on" "$tool" search search.yaml --set epochs=5 --trials 5 \
  && prints "search goes on" '^4 trials are in search.search.jsonl'
run 1 "another search" "$tool" search search.yaml && says "another search" "belongs to"
popd >/dev/null

# Other errors: 1.
run 1 "no such data" "$tool" train mlp --data "$work/none" --output "$work/m" \
  && says "no such data" "no such data set"
mkdir -p "$work/empty"
run 1 "data set without files" "$tool" train mlp --data "$work/empty" --output "$work/m"
mkdir -p "$work/truncated"
for f in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
  printf '\0\0\010\003\0\0\0\012' >"$work/truncated/$f-ubyte"
done
run 1 "truncated data set" "$tool" train mlp --data "$work/truncated" --output "$work/m"
run 1 "output below nothing" "$tool" train mlp --epochs 1 --output "$work/none/none/m"
mkdir -p "$work/locked" && chmod a-w "$work/locked"
run 1 "read-only output" "$tool" train mlp --epochs 1 --output "$work/locked"
mkdir -p "$work/other" && touch "$work/other/precious"
run 1 "output with other files" "$tool" train mlp --epochs 1 --output "$work/other"
[[ -e $work/other/precious ]] && pass || fail "the other file is gone"
run 1 "no checkpoint" "$tool" train mlp --resume "$work/none" --output "$work/m" \
  && says "no checkpoint" "no checkpoint here"
run 1 "unknown backend" env MARTLET_BACKEND=llvm "$tool" train mlp --output "$work/m"
run 1 "unknown variable" env MARTLET_BACKEDN=tcc "$tool" train mlp --output "$work/m"
run 1 "unknown pass" env MARTLET_DISABLE=unroll "$tool" train mlp --output "$work/m"
run 1 "unknown instruction set" env MARTLET_ISA=sse9 "$tool" train mlp --output "$work/m"

# Training.
run 0 "train" "$tool" train mlp --epochs 1 --output "$work/mlp" \
  && last "train" '^test accuracy: [0-9]+\.[0-9][0-9] %$'
first=$(tail -n 1 "$work/out")
[[ -e $work/mlp/model.json && -e $work/mlp/weights.safetensors ]] && pass || fail "no model"
run 0 "train again on one thread" "$tool" train mlp --epochs 1 --threads 1 --output "$work/mlp2"
[[ $(tail -n 1 "$work/out") == "$first" ]] && pass || fail "other bits on one thread"
cmp -s "$work/mlp/weights.safetensors" "$work/mlp2/weights.safetensors" && pass \
  || fail "weights depend on threads"
run 0 "momentum, odd batch" "$tool" train lenet5 --epochs 1 --batch 300 --optimizer momentum \
  --output "$work/lenet5"

# An imported model: trained here, written as ONNX, trained further with a frozen body and a new head.
run 0 "to ONNX" "$tool" convert "$work/lenet5" -o "$work/lenet5.onnx"
run 0 "any batch" "$tool" run "$work/lenet5.onnx" --dim batch=3 && prints "any batch" '^logits  float\[3,10\]'
run 0 "fine-tuning" "$tool" train --model "$work/lenet5.onnx" --data mnist5k --freeze 'convolution*' \
  --head auto --epochs 2 --seed 3 --output "$work/tuned.onnx" \
  && last "fine-tuning" '^test accuracy: [0-9]+\.[0-9]{2} %$'
prints "fine-tuning" '^weights  a new head of \[84,10\], 4 weights train, 4 are frozen'
run 0 "predict with ONNX" "$tool" predict "$work/tuned.onnx" --index 7 && last "predict with ONNX" '^class: '
run 0 "frozen weights" "$tool" convert "$work/tuned.onnx" -o "$work/tuned.safetensors"
run 0 "trained again" "$tool" train --model "$work/tuned.onnx" --data mnist5k --epochs 1 --optimizer sgd \
  --lr 0.001 --loss crossEntropy --output "$work/again.onnx" && last "trained again" '^test accuracy: '
run 1 "no such weight" "$tool" train --model "$work/lenet5.onnx" --data mnist5k --freeze 'conv9*' \
  && says "no such weight" "no weight has such a name"
run 1 "data of another shape" "$tool" train --model "$work/lenet5.onnx" --data iris \
  && says "data of another shape" "the data gives 4"
# Integer inference: measured, used, written as C; of ONNX over samples of one's own.
# samples FILE DTYPE N: images of 28 by 28, half zeros and half ones.
samples() {
  local text
  text=$(printf "{'descr': '%s', 'fortran_order': False, 'shape': (%d, 28, 28, 1), }" "$2" "$3")
  { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$text"
    for ((i = 0; i < 392 * $3; ++i)); do printf '\0\0\0\0\0\0\200\077'; done; } >"$1"
}
samples "$work/two.npy" '<f4' 2
samples "$work/odd.npy" '<i4' 2
run 0 "quantize" "$tool" quantize "$work/lenet5" --batches 1 --samples 64 \
  && prints "quantize" '^accuracy  f32 [0-9.]+ %, int8 [0-9.]+ %, drop -?[0-9.]+ % on 1,000' \
  && prints "quantize" '^weights .* 3\.[0-9]+ times as small' && last "quantize" 'batch 1: f32 .* times as fast'
run 64 "quantize without batches" "$tool" quantize "$work/lenet5" --batches 0
run 1 "quantize a name" "$tool" quantize lenet5 && says "quantize a name" "expected a directory"
run 0 "predict by int8" "$tool" predict "$work/lenet5" --index 7 --quantize int8 && prints "predict by int8" '^class: '
run 1 "predict by int8 with ONNX" "$tool" predict "$work/tuned.onnx" --index 7 --quantize int8 \
  && says "predict by int8 with ONNX" "--quantize is for classifiers"
run 0 "integer C" "$tool" compile "$work/lenet5" -o "$work/q" --quantize int8 \
  && grep -q mt_integer_conv2d "$work/q/lenet5.c" && pass || fail "no integer product in C"
run 0 "integer C of ONNX" "$tool" compile "$work/lenet5.onnx" -o "$work/qo" --dim batch=2 --quantize int8 \
  --calibrate "$work/two.npy" && grep -q mt_integer_conv2d "$work/qo/lenet5.c" && pass || fail "no integer product of ONNX"
run 1 "ONNX without samples" "$tool" compile "$work/lenet5.onnx" -o "$work/qo" --dim batch=2 --quantize int8 \
  && says "ONNX without samples" "--calibrate FILE.npy"
run 1 "samples of integers" "$tool" compile "$work/lenet5.onnx" -o "$work/qo" --dim batch=2 --quantize int8 \
  --calibrate "$work/odd.npy" && says "samples of integers" "not of f32[2,28,28,1]"
run 1 "too few samples" "$tool" compile "$work/lenet5.onnx" -o "$work/qo" --dim batch=3 --quantize int8 \
  --calibrate "$work/two.npy" && says "too few samples" "fewer than one batch of 3"
run 1 "no samples" "$tool" compile "$work/lenet5" -o "$work/qo" --quantize int8 --calibrate "$work/none.npy"
run 64 "samples for nothing" "$tool" compile "$work/lenet5" -o "$work/qo" --calibrate "$work/two.npy"
run 64 "integers that train" "$tool" compile "$work/lenet5" -o "$work/qo" --quantize int8 --train

# A recipe's model as C takes and gives numbers in their own units, those of `predict`.
run 0 "a regression" "$tool" train diabetes-linear --output "$work/diabetes"
run 0 "a regression as C" "$tool" compile "$work/diabetes" -o "$work/d" --prefix d
grep -q 'int d_run(d_context \*ctx, const float \*input, float \*values)' "$work/d/d.h" && pass || fail "no values in d.h"
printf 'age,sex,bmi,bp,s1,s2,s3,s4,s5,s6\n59,2,32.1,101,157,93.2,38,4,4.8598,87\n' >"$work/row.csv"
run 0 "a regression's row" "$tool" predict "$work/diabetes" "$work/row.csv"
if command -v cc >/dev/null; then
  cat >"$work/d/main.c" <<'END'
#include <stdio.h>
#include "d.h"
_Alignas(64) static char arena[D_ARENA_BYTES];
int main(void) {
  d_context model;
  const float row[D_INPUT_COUNT] = {59, 2, 32.1f, 101, 157, 93.2f, 38, 4, 4.8598f, 87};
  float value[D_VALUES_COUNT];
  const int status = d_init(&model, arena, sizeof arena);
  if (status != 0 || d_run(&model, row, value) != 0) return 1;
  printf("%.1f\n", value[0]);
  return 0;
}
END
  value=$(tail -n 1 "$work/out" | grep -oE '[0-9]+\.[0-9]' | head -n 1)
  run 0 "the regression's C" cc -I"$work/d" "$work/d/main.c" "$work/d/d.c" "$work/d/d_weights.c" \
    "$work/d/martlet_runtime.c" -lm -o "$work/d/app"
  run 0 "the regression's app" "$work/d/app" && prints "the regression's app" "^${value:-none}"
fi
run 0 "a regression that trains as C" "$tool" compile "$work/diabetes" --train -o "$work/dt" --prefix d
grep -q 'd_train_step(d_context \*ctx, const float \*input, const float \*targets' "$work/dt/d.h" && pass \
  || fail "no targets in d.h"
run 0 "names of weights" "$tool" summary "$work/lenet5.onnx" && prints "names of weights" '^convolution1.weight'
run 64 "no such head" "$tool" train --model "$work/lenet5.onnx" --data mnist5k --head none
run 64 "no data" "$tool" train --model "$work/lenet5.onnx" && says "no data" "--data is missing"
run 64 "freezing an mlp" "$tool" train mlp --freeze x
run 1 "not ours to predict" "$tool" predict "$work/lenet5.onnx" --index 1 \
  && says "not ours to predict" "does not say what its outputs mean"
run 0 "a table's model" "$tool" train iris-mlp --epochs 3 --output "$work/iris"
run 0 "a recipe to ONNX" "$tool" convert "$work/iris" -o "$work/iris.onnx"
run 0 "a table further" "$tool" train --model "$work/iris.onnx" --data iris --epochs 5 --output "$work/iris2.onnx" \
  && last "a table further" '^test accuracy: '
run 0 "to PyTorch" "$tool" convert "$work/lenet5" -o "$work/lenet5.safetensors" --layout pytorch
run 0 "from PyTorch" "$tool" convert "$work/lenet5" --weights "$work/lenet5.safetensors" \
  --weights-layout pytorch -o "$work/back.martlet"
cmp -s "$work/lenet5/weights.safetensors" "$work/back.martlet/weights.safetensors" && pass \
  || fail "weights change on their way to PyTorch and back"
run 1 "weights of another layout" "$tool" convert "$work/lenet5" --weights "$work/lenet5.safetensors" \
  -o "$work/wrong.martlet" && says "weights of another layout" "mismatched: convolution1.weight"
run 64 "no ending" "$tool" convert "$work/lenet5" -o "$work/nothing"

# Character models: a text of one's own, draws that come again, what is refused.
seq -s ' ' 1 1200 >"$work/count.txt"
run 0 "char-lm" "$tool" train char-lm --cell gru --epochs 2 --data "$work/count.txt" --output "$work/text" \
  && last "char-lm" '^bits per character: [0-9]+\.[0-9]{3} bits$'
run 0 "sample" "$tool" sample "$work/text" --prompt "10 " --length 20 --seed 3 --top-k 5 --top-p 0.9
cp "$work/out" "$work/drawn"
run 0 "sample again" "$tool" sample "$work/text" --prompt "10 " --length 20 --seed 3 --top-k 5 --top-p 0.9
cmp -s "$work/out" "$work/drawn" && pass || fail "the same seed draws another text"
run 0 "beam" "$tool" sample "$work/text" --prompt 1 --length 5 --beam 3 && prints "beam" '^-[0-9.]+  ln p -'
run 0 "transformer" "$tool" train char-lm --cell transformer --epochs 2 --set hidden=16 --set heads=2 --set length=32 \
  --data "$work/count.txt" --output "$work/blocks" && last "transformer" '^bits per character: [0-9]+\.[0-9]{3} bits$'
run 0 "sample of a transformer" "$tool" sample "$work/blocks" --prompt "10 " --length 100
run 1 "heads that do not fit" "$tool" train char-lm --cell transformer --set heads=3 --output "$work/m" \
  && says "heads that do not fit" "heads that divide hidden"
run 0 "char-lm with checkpoints" "$tool" train char-lm --cell gru --epochs 2 --data "$work/count.txt" \
  --checkpoints "$work/runs" --checkpoint-every 3 --output "$work/text2"
cmp -s "$work/text/weights.safetensors" "$work/text2/weights.safetensors" && pass || fail "checkpoints change bits"
run 0 "char-lm resumed" "$tool" train char-lm --cell gru --epochs 2 --data "$work/count.txt" \
  --resume "$work/runs" --output "$work/text3" && prints "char-lm resumed" '^resumed  '
cmp -s "$work/text/weights.safetensors" "$work/text3/weights.safetensors" && pass || fail "resuming changes bits"
run 1 "char-lm of another cell resumed" "$tool" train char-lm --cell lstm --epochs 2 --data "$work/count.txt" \
  --resume "$work/runs" --output "$work/text4" && says "char-lm of another cell resumed" "another"
run 1 "unseen character" "$tool" sample "$work/text" --prompt "1x" && says "unseen character" '"x" (U+78)'
run 1 "sample of a classifier" "$tool" sample "$work/mlp" && says "sample of a classifier" "char-lm"
run 1 "sample of nothing" "$tool" sample "$work/none"
run 64 "temperature below zero" "$tool" sample "$work/text" --temperature=-1
run 64 "top-p of two" "$tool" sample "$work/text" --top-p 2
run 64 "no such cell" "$tool" train char-lm --cell mgu && says "no such cell" "gru"
run 64 "cell of an mlp" "$tool" train mlp --cell gru
echo hello >"$work/short.txt"
run 1 "short text" "$tool" train char-lm --data "$work/short.txt" --output "$work/m" \
  && says "short text" "too short"
run 1 "no text" "$tool" train char-lm --data "$work/none.txt" --output "$work/m"

# Forecasts, and texts that are not there.
run 0 "forecast" "$tool" train forecast --epochs 30 --output "$work/air" \
  && last "forecast" '^test RMSE: [0-9]+\.[0-9]{2} thousand passengers$'
grep -q '^<svg' "$work/air.svg" && pass || fail "no plot"
run 0 "forecast ahead" "$tool" predict "$work/air" airline && last "forecast ahead" '^\+12  [0-9.]+$'
run 1 "forecast of nothing" "$tool" predict "$work/air" "$work/none.csv"
run 1 "no such series" "$tool" train forecast --data rain && says "no such series" "airline or sunspots"
run 1 "no such value" "$tool" train forecast --set width=3 && says "no such value" "window"
run 0 "no reviews" env -C "$work" "$tool" train sentiment && prints "no reviews" '^skipped: downloads/'
run 1 "reviews elsewhere" "$tool" train sentiment --data "$work/none.csv"
printf 'category,text,movie_name\n' >"$work/reviews.csv"
for i in $(seq 40); do
  echo "fresh,a splendid film number $i,film $((i % 10))"
  echo "rotten,a dreadful film number $i,film $((i % 10))"
done >>"$work/reviews.csv"
run 0 "sentiment" "$tool" train sentiment --data "$work/reviews.csv" --epochs 20 --batch 16 \
  --output "$work/reviews" && last "sentiment" '^test accuracy: [0-9]+\.[0-9]{2} %$'
run 0 "a text" "$tool" predict "$work/reviews" "What a splendid day" && last "a text" '^class: fresh'
run 1 "no words" "$tool" predict "$work/reviews" "..." && says "no words" "no words"
run 64 "sentiment of another kind" "$tool" train sentiment --model cnn

# Ctrl-C: the step ends, the model is saved, 130.
"$tool" train mlp --epochs 1000 --output "$work/stopped" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 100); do grep -q '^epoch' "$work/out" && break; sleep 0.1; done
kill -TERM $pid
wait $pid
code=$?
[[ $code -eq 130 && -e $work/stopped/model.json ]] && pass || fail "SIGTERM: exit code $code"

# Stopped in the middle and resumed: the weights of a run without the pause.
run 0 "validation, patience" "$tool" train mlp --epochs 3 --batch 400 --validation 0.1 --patience 2 \
  --checkpoints "$work/whole" --output "$work/mlp" \
  && prints "validation, patience" '^epoch 3/3 .* validation [0-9.]+, [0-9.]+ %'
"$tool" train mlp --epochs 3 --batch 400 --validation 0.1 --patience 2 --checkpoints "$work/part" \
  --checkpoint-every 2 --output "$work/mlp2" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 200); do [[ -e $work/part/step-0000000004 ]] && break; sleep 0.02; done
kill -INT $pid 2>/dev/null
kill -TERM $pid 2>/dev/null
wait $pid
code=$?
[[ $code -eq 130 || $code -eq 0 || $code -ge 128 ]] && pass || fail "interrupted: exit code $code"
run 0 "resume" "$tool" train mlp --epochs 3 --batch 400 --validation 0.1 --patience 2 \
  --resume "$work/part" --output "$work/mlp2" && prints "resume" '^resumed '
cmp -s "$work/mlp/weights.safetensors" "$work/mlp2/weights.safetensors" && pass \
  || fail "a pause changes the weights"
run 1 "another seed" "$tool" train mlp --seed 5 --epochs 3 --batch 400 --validation 0.1 \
  --resume "$work/part" --output "$work/mlp2" && says "another seed" "another seed"
run 1 "another model" "$tool" train lenet5 --epochs 3 --batch 400 --validation 0.1 \
  --resume "$work/part" --output "$work/mlp2" && says "another model" "another model"
run 1 "checkpoints of another run" "$tool" train mlp --checkpoints "$work/part" --output "$work/mlp2" \
  && says "checkpoints of another run" "of a longer run"
"$tool" train mlp --epochs 1000 --checkpoints "$work/busy" --output "$work/mlp2" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 200); do [[ -e $work/busy/.lock ]] && break; sleep 0.02; done
run 1 "two runs" "$tool" train mlp --checkpoints "$work/busy" --output "$work/m" \
  && says "two runs" "another run writes its checkpoints here"
kill -9 $pid
wait $pid 2>/dev/null

# Predictions.
run 0 "predict" "$tool" predict "$work/lenet5" --index 7 && last "predict" '^class: [0-9] \([0-9.]+ %\)'
run 1 "no such image" "$tool" predict "$work/lenet5" --index 1000 && says "no such image" "0 to 999"
run 64 "no image at all" "$tool" predict "$work/lenet5"
run 1 "no such model" "$tool" predict "$work/none" --index 0 && says "no such model" "no such model"
base64 -d >"$work/seven.png" <<PNG
iVBORw0KGgoAAAANSUhEUgAAABwAAAAcBAAAAACSlm1JAAAAV0lEQVR42mNgoCMIN2AQP/8NxmP7/+/d+/+/YFye/yAA57K8
R+EymM69Frr/F4px8/8qoHD/G6DKCqBw0fSicX8z4DPqDylGoSn+p4CH24+qmPsXtmADACtWME+5qziNAAAAAElFTkSuQmCC
PNG
run 0 "a picture" "$tool" predict "$work/mlp" "$work/seven.png" && last "a picture" '^class: 7 '
head -c 60 "$work/seven.png" >"$work/half.png"
run 1 "half a picture" "$tool" predict "$work/lenet5" "$work/half.png"
cp -r "$work/mlp" "$work/newer"
sed -i.bak 's/"version": 1/"version": 2/' "$work/newer/model.json"
run 1 "a newer model" "$tool" predict "$work/newer" --index 0 && says "a newer model" "version"
cp -r "$work/mlp" "$work/short"
head -c 1000 "$work/mlp/weights.safetensors" >"$work/short/weights.safetensors"
run 1 "truncated weights" "$tool" predict "$work/short" --index 0
cp -r "$work/mlp" "$work/mixed"
cp "$work/lenet5/weights.safetensors" "$work/mixed/weights.safetensors"
run 1 "another model's weights" "$tool" predict "$work/mixed" --index 0

# Models of recipes: what they were trained on, a table's rows, what is inside.
run 0 "train a recipe" "$tool" train iris-mlp --epochs 20 --output "$work/iris"
run 0 "an example of its data" "$tool" predict "$work/iris" --index 3 \
  && last "an example of its data" '^species: [a-z]+ \([0-9.]+ %\), '
run 1 "no such example" "$tool" predict "$work/iris" --index 1000
printf 'petal width (cm),petal length (cm),sepal width (cm),sepal length (cm)\n0.2,1.4,3.5,5.1\n2.3,5.4,3.0,6.9\n' >"$work/iris.csv"
run 0 "rows of a table" "$tool" predict "$work/iris" "$work/iris.csv" \
  && prints "rows of a table" '^setosa,0\.[0-9]+$' && last "rows of a table" '^virginica,0\.[0-9]+$'
printf 'petal width (cm),petal length (cm)\n0.2,1.4\n' >"$work/narrow.csv"
run 1 "a table that lacks columns" "$tool" predict "$work/iris" "$work/narrow.csv" \
  && says "a table that lacks columns" "sepal"
run 1 "a picture for a table's model" "$tool" predict "$work/iris" "$work/seven.png"
run 0 "summary of a recipe's model" "$tool" summary "$work/iris" \
  && prints "summary of a recipe's model" '^output: species: setosa, versicolor, virginica$'
run 0 "inspect a recipe's model" "$tool" inspect "$work/iris" --stage fused --training

# Looking inside.
for stage in trace optimized fused plan c; do
  run 0 "inspect $stage" "$tool" inspect lenet5 --stage $stage --training
  [[ -s $work/out ]] && pass || fail "inspect $stage: nothing"
done
run 64 "no such stage" "$tool" inspect lenet5 --stage ir
run 0 "inspect a directory" "$tool" inspect "$work/mlp" --stage optimized --dot "$work/mlp.dot"
cp "$work/out" "$work/mlp.mir"
head -n 1 "$work/mlp.dot" | grep -q '^digraph' && pass || fail "no graph for Graphviz"
run 0 "inspect what was printed" "$tool" inspect "$work/mlp.mir" --stage optimized
cmp -s "$work/out" "$work/mlp.mir" && pass || fail "the text does not come back as it was"
echo 'graph g(%0: f32[4]) { %1: f32[4] = tanh %9; return %1 }' >"$work/bad.mir"
run 1 "malformed text" "$tool" inspect "$work/bad.mir" && says "malformed text" "bad.mir:1:"
run 1 "no such model to inspect" "$tool" inspect "$work/none.mir"
run 0 "summary" "$tool" summary lenet5 && last "summary" '^total +61,706 +833,040$'
run 0 "summary of a directory" "$tool" summary "$work/mlp" && last "its summary" '^test accuracy: [0-9.]+ %$'
run 0 "summary of text" "$tool" summary "$work/mlp.mir"
run 0 "doctor" "$tool" doctor && prints "doctor" '^libtcc +works'

# Benchmarks: one JSON object a line and nothing else, with every key.
run 0 "bench list" "$tool" bench --list && prints "bench list" '^mlp_tiny '
run 64 "no such workload" "$tool" bench mlp_tiny nothing
run 0 "bench chains" "$tool" bench --micro --list && prints "bench chains" '^layernorm_grad '
run 64 "no such chain" "$tool" bench --micro chain64k
run 64 "no such pass" "$tool" bench mlp_tiny --disable unroll && says "no such pass" "canonicalize"
run 64 "no such backend" "$tool" bench mlp_tiny --backend llvm
run 64 "no threads" "$tool" bench mlp_tiny --threads 0
run 0 "bench without passes" "$tool" bench chain64k --json --seconds 0 --disable cse,plan
run 0 "bench" "$tool" bench mlp_tiny chain64k --json --seconds 0 --threads 2
[[ $(wc -l <"$work/out") -eq 2 && $(grep -cE '^\{.*\}$' "$work/out") -eq 2 ]] && pass || fail "bench: no JSON lines"
for key in workload threads backend fused isa setup_s compile_ms first_step_s step_ms step_iqr_ms steps \
  params flops bytes gflops limit_ms kernels arena_bytes arena_lower_bound_bytes scratch_bytes \
  state_bytes maxrss_mb c_bytes stages trace_ms differentiate_ms passes_ms emit_ms tcc_ms; do
  grep -q "\"$key\":" "$work/out" && pass || fail "bench: no $key"
done
printf 'first\nrun 0\nend\n' >"$work/turns"
run 0 "bench in turns" "$tool" bench mlp_tiny --serve <"$work/turns" && last "bench in turns" '"needed_bytes":[0-9]+'
run 0 "bench counts" "$tool" bench --counts mlp_tiny && prints "bench counts" '^mlp_tiny +nodes=[0-9]+ kernels='
run 0 "bench trace" "$tool" bench lenet5 --seconds 0 --threads 2 --trace "$work/trace.json"
grep -q '^{"displayTimeUnit":"ms","traceEvents":\[{"name":' "$work/trace.json" && pass || fail "bench trace: no events"
run 64 "a trace of two" "$tool" bench lenet5 mlp --trace "$work/trace.json"
run 1 "a trace nowhere" "$tool" bench mlp_tiny --seconds 0 --trace "$work/none/trace.json"
run 0 "operations" "$tool" bench --micro gather --seconds 0 --json && last "operations" '"micro":"gather".*"unfused_ms":[0-9]'
run 0 "bench unfused" "$tool" bench chain64k --json --seconds 0 --unfused --backend interpreter
prints "bench unfused" '"fused":false.*'

# Standard output that takes nothing, or is not there; devices and links as outputs; names.
run 1 "a full disk" bash -c "'$tool' summary lenet5 >/dev/full" && says "a full disk" "cannot write to standard output"
run 1 "standard output closed" bash -c "'$tool' summary lenet5 >&-"
run 1 "a run into a full disk" bash -c "'$tool' train mlp --epochs 1 --output '$work/full' >/dev/full"
[[ -e $work/full/model.json ]] && pass || fail "a run into a full disk: the model is gone"
run 0 "a graph into a pipe" bash -c "'$tool' inspect mlp --stage plan --dot /dev/stdout | grep -c '^digraph'"
run 1 "a graph into a full disk" "$tool" inspect mlp --dot /dev/full && [[ -c /dev/full ]] && pass \
  || fail "a device was replaced"
ln -s "$work/linked.dot" "$work/link.dot" && touch "$work/linked.dot"
run 0 "a graph through a link" "$tool" inspect mlp --dot "$work/link.dot"
[[ -L $work/link.dot && -s $work/linked.dot ]] && pass || fail "the link was replaced"
run 1 "a graph onto a directory" "$tool" inspect mlp --dot "$work" && says "a graph onto a directory" "a directory"
run 1 "a dump onto a file" env MARTLET_DUMP=/dev/null "$tool" inspect mlp && says "a dump onto a file" "Not a directory"
run 64 "a name that is no UTF-8" "$tool" summary $'\xff\xfe' && says "a name that is no UTF-8" "not UTF-8"

# Dimensions and inputs that the model does not have, or that contradict each other.
run 0 "outputs in a new folder" "$tool" run "$work/lenet5.onnx" --dim batch=2 --output-dir "$work/outputs"
[[ -s $work/outputs/logits.npy ]] && pass || fail "no output in the new folder"
run 64 "a folder without a name" "$tool" run "$work/lenet5.onnx" --dim batch=2 --output-dir ""
run 1 "no such dimension" "$tool" run "$work/lenet5.onnx" --dim batch=2 --dim height=3 \
  && says "no such dimension" "dimensions: batch"
run 64 "a dimension twice" "$tool" run "$work/lenet5.onnx" --dim batch=2 --dim batch=3
run 64 "an input twice" "$tool" run "$work/lenet5.onnx" --input images=a.npy --input images=b.npy
run 1 "a dimension that is too large" "$tool" run "$work/lenet5.onnx" --dim batch=9223372036854775807 \
  && says "a dimension that is too large" "too large"
run 64 "a dimension of layers" "$tool" convert lenet5 -o "$work/x.onnx" --dim batch=3
run 64 "a batch of a file" "$tool" convert "$work/lenet5.onnx" -o "$work/x.onnx" --batch 3
run 64 "a layout of a file" "$tool" convert "$work/lenet5.onnx" -o "$work/x.safetensors" --layout pytorch
run 64 "a dimension of a name" "$tool" inspect lenet5 --dim batch=3
run 64 "no batch sizes" "$tool" quantize "$work/lenet5" --batches ""
run 1 "no tests" "$tool" conform "$work/empty" && says "no tests" "model.onnx"
cp "$work/lenet5.onnx" "$work/2.onnx"
run 0 "a model that begins with a digit" "$tool" compile "$work/2.onnx" -o "$work/c2" --dim batch=1 \
  && prints "a model that begins with a digit" '/model_2\.h '
run 1 "a prefix of the runtime's" "$tool" compile mlp -o "$work/c3" --prefix martlet_runtime_avx2
run 0 "counts as JSON" "$tool" bench --counts mlp_tiny --json && prints "counts as JSON" '^\{"workload":"mlp_tiny","nodes":[0-9]'
run 0 "chains as JSON" "$tool" bench --micro --list --json
grep -qvE '^\{.*\}$' "$work/out" && fail "chains as JSON: other lines" || pass

# The README's first example is the one that the build compiles.
root=$(cd "$(dirname "$0")/../.." && pwd)
awk '/^```swift$/ { on = 1; next } /^```$/ && on { exit } on' "$root/README.md" >"$work/example.swift"
cmp -s "$work/example.swift" "$root/Examples/Digits/main.swift" && pass \
  || fail "README.md and Examples/Digits/main.swift differ"

echo "tool: $passed checks passed, $failed failed"
[[ $failed -eq 0 ]]
