#!/usr/bin/env bash
# Builds C, C++, Swift and Python programs against libmartlet.so and runs them.
#
#   Tests/capi/run.sh LIBRARY-FOLDER TOOL [LIMIT-IN-BYTES]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$(cd "$1" && pwd)
tool=$2
limit=${3:-10000000}
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
for name in test_models test_errors timing; do
  check "cc $name.c" gcc "${flags[@]}" "$here/$name.c" -o "$work/$name" "${links[@]}"
done
check "the header in C++17" g++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -x c++ \
  -fsyntax-only -include "$header/martlet.h" /dev/null
check "the header under -Wconversion" gcc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror \
  -fsyntax-only -x c -include "$header/martlet.h" /dev/null

idx=("$work/t10k-images-idx3" "$work/t10k-labels-idx1" "$work/train-images-idx3" "$work/train-labels-idx1")
mkdir "$work/files"
run_models() { "$1" "$model" "${idx[@]}" "$work/files" "$accuracy"; }
run_errors() { rm -rf "$work/files" && mkdir "$work/files" && "$1" "$model" "$work/files"; }
check "test_models" run_models "$work/test_models" && tail -n 3 "$work/out"
check "test_errors" run_errors "$work/test_errors" && tail -n 2 "$work/out"

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
within "LeNet-5, process start to first result" \
  "$("$work/timing" median 15 "$work/timing" first "$model")" 40 ms
within "C call of an empty step" "$("$work/timing" call "$work/negate.mir")" 200 ns
echo "LeNet-5, one image: $("$work/timing" run "$model") µs a run"

echo "capi: $passed checks passed, $failed failed"
[[ $failed -eq 0 ]]
