#!/bin/bash
# Makes the packages in dist/ from the binaries there. make deb calls it.
#   build.sh NFPM PACKAGER ARCH...     armv6 arm64 amd64 riscv64
set -euo pipefail
cd "$(dirname "$0")/../../.."
nfpm=$1 packager=$2
shift 2
here=cmd/topicd/packaging
out=.build/packages
go=${GO:-go}
mkdir -p $out/notes dist

# From the help texts of this very version.
CGO_ENABLED=0 $go build -tags packaging -o $out/topicd-man ./cmd/topicd
tool() { env -i HOME=/nonexistent TOPICD_STATE=/nonexistent TOPICD_MDNS=off $out/topicd-man "$@"; }
tool man | gzip -9n >$out/topicd.1.gz
for shell in bash fish; do $out/topicd-man completion $shell >$out/topicd.$shell; done
{ echo '#compdef topicd'; $out/topicd-man completion zsh; } >$out/topicd.zsh
root=$out/root
mkdir -p $root/etc/topicd && cp cmd/topicd/topicd.toml $root/etc/topicd/
for m in systemd openrc procd; do
  tool service install --root $root --manager $m --binary /usr/bin/topicd --config /etc/topicd/topicd.toml >/dev/null
  [ $m = systemd ] || cp $root/etc/init.d/topicd $out/topicd.$m
done
cp $root/etc/systemd/system/topicd.{service,socket} $out/

# The notes as they are in this commit.
rm -rf $out/notes && mkdir -p $out/notes
git ls-files firmware-notes | grep -v /testdata/ | grep -E '\.(md|h|c|cpp|py|ino|json|properties|svg|png)$|keywords.txt|assemble.sh' | while read -r f; do
  install -D -m 644 "$f" "$out/notes/${f#firmware-notes/}"
done

# A version that grows: the tag and what came behind it, or the commit's date.
PKG_TIME=$(TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
hash=$(git rev-parse --short=10 HEAD)
if tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
  n=$(git rev-list --count "$tag..HEAD")
  PKG_VERSION=${tag#v}
  [ "$n" = 0 ] || PKG_VERSION+="+$n.g$hash"
else
  PKG_VERSION=1.0~$(TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S).g$hash
fi
[ "$packager" != apk ] || PKG_VERSION=$(sed -E 's/~([0-9]+).*/_git\1/; s/\+([0-9]+).*/_p\1/' <<<"$PKG_VERSION")
cat >$out/changelog.yaml <<END
- semver: "$PKG_VERSION"
  date: $PKG_TIME
  packager: the topicd authors <maintainers@users.noreply.h-seed-67edea2d.example>
  deb: {urgency: medium, distributions: [stable]}
  changes:
    - {commit: $hash, note: "What is new stands in firmware-notes/changelog.md."}
END
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH # the same bytes from the same commit
for arch in "$@"; do
  sed -e "s|@ARCH@|${arch/armv/arm}|; s|@VERSION@|$PKG_VERSION|; s|@TIME@|$PKG_TIME|; s|@BINARY@|dist/topicd-linux-$arch|" $here/nfpm.yaml >$out/nfpm.yaml
  target=dist/
  [ "$packager" != ipk ] || target=dist/topicd_${PKG_VERSION}_openwrt-$arch.ipk
  "$nfpm" package --config $out/nfpm.yaml --packager "$packager" --target "$target"
done
if [ "$packager" = deb ] && command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error dist/topicd_"$PKG_VERSION"_*.deb
fi
