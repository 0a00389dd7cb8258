#!/usr/bin/env bash
# Builds C, C++, Swift and Python programs against libmartlet.so and runs them.
#
#   [CORE=FOLDER CORE_BYTES=LIMIT] [TIMES=tell] Tests/capi/run.sh LIBRARY-FOLDER TOOL [LIMIT-IN-BYTES]
#
# CORE has the library without ONNX.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$(cd "$1" && pwd)
tool=$2
limit=${3:-20000000}
library=$folder/libmartlet.so
header=$root/Sources/CMartlet/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
export LD_LIBRARY_PATH=$folder
unset "${!MARTLET_@}"

pass() { passed=$((passed + 1)); }
fail() {
  failed=$((failed + 1))
  echo "failed: $1"
}
# check NAME COMMAND…
check() {
  local name=$1
  shift
  if "$@" >"$work/out" 2>&1; then pass; else
    fail "$name"
    tail -n 20 "$work/out" | sed 's/^/  /'
    return 1
  fi
}
within() { # NAME VALUE LIMIT UNIT
  echo "$1: $2 $4 (limit $3)"
  if awk -v x="$2" -v y="$3" 'BEGIN { exit !(x + 0 == x && x <= y) }'; then pass; else fail "$1"; fi
}

# What is exported is what martlet.h declares, and no library but the C library's own is needed.
nm -D --defined-only "$library" | awk '$2 ~ /[TBDRV]/ {print $3}' | sed 's/@.*//' \
  | grep -v '^MARTLET_0$' | sort >"$work/exported"
grep -oE '\bmartlet_[a-z_]+\(' "$header/martlet.h" | tr -d '(' | grep -v martlet_default_options \
  | sort -u >"$work/declared"
check "exported symbols" diff "$work/declared" "$work/exported"
readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libdl|libpthread|ld-linux.*)\.so' \
  >"$work/needed"
check "needs only the C library: $(tr '\n' ' ' <"$work/needed")" test ! -s "$work/needed"
within "libmartlet.so, stripped" "$(stat -Lc %s "$library")" "$limit" bytes
if [[ -n ${CORE:-} ]]; then
  within "libmartlet.so without ONNX" "$(stat -Lc %s "$CORE/libmartlet.so")" "${CORE_BYTES:-10000000}" bytes
fi

# A model to work with, and the digits as files.
data=$root/Sources/CMartletDigits/data
for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
  gzip -dc "$data/$name-ubyte.gz" >"$work/$name"
done
"$tool" train lenet5 --epochs 1 --output "$work/lenet5.martlet" >"$work/out" 2>&1 || {
  cat "$work/out"
  exit 1
}
model=$work/lenet5.martlet
number() { sed -n "s/.*\"$1\": *\([-0-9.e]*\).*/\1/p" "$model/model.json" | head -n 1; }
MEAN=$(number mean) DEVIATION=$(number deviation) accuracy=$(number 'test accuracy')
export MEAN DEVIATION

flags=(-std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wpedantic -Werror "-I$header")
links=("-L$folder" -lmartlet -lm -lpthread)
for name in test_models test_errors test_training timing; do
  check "cc $name.c" gcc "${flags[@]}" "$here/$name.c" -o "$work/$name" "${links[@]}"
done
cxx=$(command -v g++ || command -v clang++ || true)
[[ -n $cxx ]] || echo "skipped: C++ (neither g++ nor clang++)"
[[ -z $cxx ]] || check "the header in C++17" "$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -x c++ \
  -fsyntax-only -include "$header/martlet.h" /dev/null
check "the header under -Wconversion" gcc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror \
  -fsyntax-only -x c -include "$header/martlet.h" /dev/null

# The programs of docs/embedding.md compile as they stand.
awk -v work="$work" '/^```c$/ { file = work "/doc" ++n ".c"; next } /^```$/ { file = "" } file { print > file }' \
  "$root/docs/embedding.md"
for program in $(grep -l 'martlet\.h>' "$work"/doc*.c); do
  check "docs/embedding.md: ${program##*/}" gcc -std=c11 -Wall -Wextra -Werror "-I$header" -c "$program" -o "$work/doc.o"
done

idx=("$work/t10k-images-idx3" "$work/t10k-labels-idx1" "$work/train-images-idx3" "$work/train-labels-idx1")
mkdir "$work/files"
run_models() { "$1" "$model" "${idx[@]}" "$work/files" "$accuracy"; }
run_errors() { rm -rf "$work/files" && mkdir "$work/files" && "$1" "$model" "$work/files"; }
# Recipes: classes and numbers of a table by two heads, numbers alone, pictures with dropout.
recipes=()
for name in iris-two-tasks diabetes-linear digits-lenet; do
  check "martlet train $name" "$tool" train "$name" --epochs 1 --output "$work/$name.martlet" \
    && recipes+=("$work/$name.martlet")
done
run_training() {
  rm -rf "$work/files" && mkdir "$work/files"
  "$1" "$model" "${idx[2]}" "${idx[3]}" "$work/files" "${recipes[@]}"
}
check "test_models" run_models "$work/test_models" && tail -n 3 "$work/out"
check "test_errors" run_errors "$work/test_errors" && tail -n 2 "$work/out"
check "test_training" run_training "$work/test_training" && tail -n 2 "$work/out"

# The same under gcc's address sanitizer, which sees the memory of the C side and every allocation.
if check "cc -fsanitize=address" gcc "${flags[@]}" -fsanitize=address "$here/test_errors.c" \
  -o "$work/asan_errors" "${links[@]}" && check "cc -fsanitize=address" gcc "${flags[@]}" \
  -fsanitize=address "$here/test_models.c" -o "$work/asan_models" "${links[@]}"; then
  export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 SWIFT_BACKTRACE=enable=no
  check "test_errors, address sanitizer" run_errors "$work/asan_errors"
  check "test_models, address sanitizer" run_models "$work/asan_models"
fi

# In a process that has a Swift runtime of its own: loaded, linked, linked beside a static one.
swiftc=${SWIFT:-swift}c
if command -v "$swiftc" >/dev/null; then
  cp "$here/host_dlopen.swift" "$work/main.swift"
  check "swiftc host_dlopen" "$swiftc" -O "$work/main.swift" -o "$work/host_dlopen" \
    && check "host_dlopen" "$work/host_dlopen" "$library" "$model" && tail -n 1 "$work/out"
  cp "$here/host_linked.swift" "$work/main.swift"
  for runtime in -static-stdlib -no-static-stdlib; do
    check "swiftc host_linked $runtime" "$swiftc" -O $runtime "-I$header" "$work/main.swift" \
      "-L$folder" -lmartlet -o "$work/host_linked" \
      && check "host_linked $runtime" "$work/host_linked" "$model" && tail -n 1 "$work/out"
  done
else
  echo "skipped: Swift hosts (no $swiftc)"
fi

# Python without a wheel.
python=${PYTHON:-python3}
if "$python" -c 'import numpy' 2>/dev/null; then
  export MARTLET_LIBRARY=$library
  check "Examples/python" "$python" "$root/Examples/python/digits.py" "$model" "$work" \
    "$work/python.martlet" && tail -n 2 "$work/out"
  unset MARTLET_LIBRARY
else
  echo "skipped: Examples/python ($python has no numpy)"
fi

# ONNX files, where the library reads them: a model with open dimensions, and wrong ones.
reads_onnx=$("$work/timing" reads .onnx)
if [[ $reads_onnx == 1 ]]; then
  check "cc test_onnx.c" gcc "${flags[@]}" "$here/test_onnx.c" -o "$work/test_onnx" "${links[@]}" \
    && check "test_onnx" "$work/test_onnx" "$root"/Tests/ONNXTests/Fixtures/runtime/* && tail -n 1 "$work/out"
fi
if [[ $reads_onnx == 1 && -n $cxx ]]; then
  check "Examples/audio" "$cxx" -std=c++17 -O2 -Wall -Wextra -Wpedantic -Werror "-I$header" \
    "$root/Examples/audio/vad.cpp" -o "$work/vad" "-L$folder" -lmartlet
  check "vad --synthesize" "$work/vad" --synthesize "$work/speech.wav"
  head -c 40000 "$work/speech.wav" >"$work/cut.wav"
  printf 'no model' >"$work/none.onnx"
  if "$work/vad" "$work/none.onnx" "$work/speech.wav" >"$work/out" 2>&1; then fail "none.onnx"; else pass; fi
  vad_model=${VAD_MODEL:-$root/downloads/silero-vad.onnx}
  if [[ -e $vad_model ]]; then
    check "vad: a file that is cut off" grep -q "cut off" <("$work/vad" "$vad_model" "$work/cut.wav" 2>&1)
    "$work/vad" "$vad_model" "$work/speech.wav" --frames >"$work/frames" 2>"$work/frames.time"
    # Against ONNX Runtime, frame by frame.
    if grep -q "not supported" "$work/frames.time"; then
      echo "skipped: silero-vad: $(sed -n 2p "$work/frames.time")"
    else check "vad: probabilities" awk 'NR == FNR { expected[FNR] = $1; count = FNR; next }
      { d = $1 - expected[FNR]; if (d < 0) d = -d; if (d > worst) worst = d }
      END { print FNR " frames, largest difference " worst; exit !(FNR == count && worst < 1e-4) }' \
      "$root/Examples/audio/expected.txt" "$work/frames" && tail -n 1 "$work/out"
      cat "$work/frames.time"
    fi
  else
    echo "skipped: silero-vad (make data fetches downloads/silero-vad.onnx)"
  fi
elif [[ $reads_onnx != 1 ]]; then
  echo "skipped: ONNX (this library was built without)"
fi

# Installed, found by pkg-config, linked without another word.
check "make install" make -s -C "$root" install-files LIB="$folder" PREFIX="$work/prefix"
if command -v pkg-config >/dev/null; then
  export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
  check "pkg-config" bash -c "gcc -std=c11 '$here/timing.c' -D_GNU_SOURCE -o '$work/installed' \
    \$(pkg-config --cflags --libs martlet) && LD_LIBRARY_PATH='$work/prefix/lib' '$work/installed' first '$model'"
else
  echo "skipped: pkg-config (not installed)"
fi

# Times.
cat >"$work/negate.mir" <<'END'
graph negate(%0: f32[1] "x") { %1: f32[1] = negate %0; return %1 "y" }
END
# With TIMES=tell they are printed and not judged: for machines with other work on them.
time_within() {
  if [[ ${TIMES:-} == tell ]]; then echo "$1: $2 $4 (limit $3, not judged)"; else within "$@"; fi
}
time_within "LeNet-5, process start to first result" \
  "$("$work/timing" median 15 "$work/timing" first "$model")" 40 ms
time_within "C call of an empty step" "$("$work/timing" call "$work/negate.mir")" 200 ns
echo "LeNet-5, one image: $("$work/timing" run "$model") µs a run"

echo "capi: $passed checks passed, $failed failed"
[[ $failed -eq 0 ]]
