#!/bin/sh
# Installs a .deb, runs the node as its service would, and removes the package again, in a copy of this system that is gone
# afterwards: sh try.sh mainstay_0.1.0_amd64.deb. Needs root, and a kernel with overlayfs.
set -eu
if [ "${2-}" != inside ]; then
    # Mounts made in a mount namespace of its own end with it.
    exec unshare --mount --propagation private sh "$0" "$(realpath "$1")" inside
fi
mount -t tmpfs -o size=2g tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
# Maintainer scripts must not talk to the systemd of this machine.
mkdir -p "$root/run"
mount -t tmpfs tmpfs "$root/run"
cp "$1" "$root/package.deb"

echo "== install"
chroot "$root" dpkg -i /package.deb
chroot "$root" systemd-analyze verify /lib/systemd/system/mainstay.service

echo "== run"
mkdir -p "$root/var/lib/mainstay" # systemd does this: StateDirectory=
chroot "$root" chown mainstay:mainstay /var/lib/mainstay
start=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/mainstay.service")
# shellcheck disable=SC2086
chroot --userspec=mainstay:mainstay "$root" env MAINSTAY_DATA=/var/lib/mainstay $start --listen 127.0.0.1:0 >/mnt/out 2>/mnt/log &
node=$!
trap 'kill "$node" 2>/dev/null || true' EXIT
tries=0
until url=$(sed -n 's/^listening on //p' /mnt/out) && [ -n "$url" ] && chroot "$root" mainstay --url "$url" status; do
    tries=$((tries + 1))
    if [ "$tries" = 300 ] || ! kill -0 "$node"; then cat /mnt/log; exit 1; fi
    sleep 0.1
done
chroot "$root" mainstay --url "$url" append s t '{"packed":true}'
kill "$node"
wait "$node"
test "$(chroot "$root" stat -c %U /var/lib/mainstay/STORE)" = mainstay

echo "== remove"
chroot "$root" dpkg --purge mainstay
test ! -e "$root/usr/bin/mainstay"
test ! -e "$root/etc/mainstay/mainstay.toml"
test -s "$root/var/lib/mainstay/STORE" # the data stays
echo "installed, run and removed; the data stayed"
