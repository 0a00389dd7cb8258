#!/usr/bin/env bash
# A package outside of the repository depends on Martlet by URL and version, with no unsafe flags, and
# on the plugin that writes a type for the model among its resources.
#
#   Tests/package/run.sh TOOL [FLAGS OF swift build…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tool=$1
shift
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tree as it is now, with a version.
mkdir "$work/martlet"
(cd "$root" && git ls-files -z --cached --others --exclude-standard \
  | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh \
  | tar --null -T - -cf - ) | tar -C "$work/martlet" -xf -
git -C "$work/martlet" init -q
git -C "$work/martlet" add -A
git -C "$work/martlet" -c user.name=test -c user.email=test@localhost commit -qm snapshot
git -C "$work/martlet" tag 9.9.9
if grep -n unsafeFlags "$work/martlet/Package.swift"; then
  echo "failed: a package with unsafe flags cannot be depended on by version"
  exit 1
fi

cp -R "$here/App" "$work/app"
sed -i.bak "s|MARTLET_URL|file://$work/martlet|" "$work/app/Package.swift"
"$tool" train lenet5 --epochs 1 --output "$work/app/Sources/App/Digits.martlet" >/dev/null
cp "$root/Tests/MartletFuzz/corpus/onnx/conv_with_strides_padding.onnx" \
  "$work/app/Sources/App/Convolution.onnx"
cd "$work/app"
$swift build "$@" --product App
"$($swift build "$@" --show-bin-path)/App"

# The command writes a C target and a Swift class over it; the program that uses them has no Martlet
# in it. Trained a step, saved, read again.
if "$tool" compile --help >/dev/null 2>&1; then
  $swift package "$@" --allow-writing-to-package-directory compile-model \
    Sources/App/Digits.martlet --name Ahead --train --dim batch=4
  more='.target(name: "CAhead"), .target(name: "Ahead", dependencies: ["CAhead"]),'
  more+=' .executableTarget(name: "Run", dependencies: ["Ahead"]),'
  sed -i.bak -e "s|// compile-model|$more|" -e 's|package: "martlet")])$|&,|' Package.swift
  mkdir -p Sources/Run
  cp "$here/Run.swift" Sources/Run/main.swift
  $swift build "$@" --product Run
  "$($swift build "$@" --show-bin-path)/Run"
else
  echo "skipped: compile-model (this tool has no martlet compile)"
fi
