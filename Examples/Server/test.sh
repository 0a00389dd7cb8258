#!/usr/bin/env bash
# Starts the server and asks it for two hundred digits, eight at a time, and again one by one.
#
#   Examples/Server/test.sh TOOL [FLAGS OF swift build…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tool=$1
shift
swift=${SWIFT:-swift}
$swift build --package-path "$here" -c release "$@" --product Server
server=$($swift build --package-path "$here" -c release "$@" --show-bin-path)/Server
work=$(mktemp -d)
trap 'kill $pid 2>/dev/null || true; rm -rf "$work"' EXIT
"$tool" train lenet5 --epochs 2 --output "$work/lenet5.martlet" >/dev/null
port=${PORT:-18080}
"$server" "$work/lenet5.martlet" "$port" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  curl -sf "http://127.0.0.1:$port/health" >/dev/null && break
  sleep 0.1
done
gzip -dc "$root/Sources/CMartletDigits/data/t10k-images-idx3-ubyte.gz" | tail -c +17 >"$work/images"
gzip -dc "$root/Sources/CMartletDigits/data/t10k-labels-idx1-ubyte.gz" | tail -c +9 | od -An -v -tu1 -w1 \
  | tr -d ' ' >"$work/labels"
count=200
split -b 784 -a 4 -d "$work/images" "$work/image-"
ask() { curl -sf --data-binary "@$1" "http://127.0.0.1:$2/predict" >"$1.$3"; }
export -f ask
numbers() { sed 's/.*"probabilities":\(\[[^]]*\]\).*/\1/' "$1"; }
for round in one two; do
  parallel=$([[ $round == one ]] && echo 8 || echo 1)
  for i in $(seq 0 $((count - 1))); do printf '%s/image-%04d\n' "$work" "$i"; done \
    | xargs -P "$parallel" -I{} bash -c "ask {} $port $round"
done
right=0
for i in $(seq 0 $((count - 1))); do
  image=$(printf '%s/image-%04d' "$work" "$i")
  # Together and one after another: the same bits. JSON's keys come in any order.
  [[ $(numbers "$image.one") == "$(numbers "$image.two")" ]] || {
    echo "failed: another answer in company"
    exit 1
  }
  label=$(sed -n "$((i + 1))p" "$work/labels")
  if grep -q "\"class\":\"$label\"" "$image.one"; then right=$((right + 1)); fi
done
status=$(head -c 100 "$work/images" | curl -s -o /dev/null -w '%{http_code}' --data-binary @- \
  "http://127.0.0.1:$port/predict")
[[ $status == 400 ]]
echo "server: $right of $count digits right, eight requests at a time"
[[ $right -ge $((count * 8 / 10)) ]]
