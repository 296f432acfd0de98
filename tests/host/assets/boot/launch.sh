#!/bin/bash
# Mounts the host's root and becomes systemd-nspawn. Runs in a mount namespace
# of its own, so that nothing stays mounted when it ends, however it ends.
#
# Call: launch.sh NAME FOLDER LOWER CGROUP ROOTS
# ROOTS is `plain` or `btrfs`: what the container roots lie on.
set -euo pipefail

name=$1 folder=$2 lower=$3 cgroup=$4 roots=$5

echo $$ >"$cgroup/cgroup.procs"
mount -t overlay overlay \
  -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"

# The host's own mkfs.btrfs makes the file system, so that the machine outside
# needs none. The loop device goes with the mount.
if [[ $roots = btrfs ]]; then
  if [[ ! -e "$folder/roots.btrfs" ]]; then
    truncate --size=4G "$folder/roots.btrfs"
    mount --bind "$folder" "$folder/root/mnt"
    mount -t proc proc "$folder/root/proc"
    chroot "$folder/root" mkfs.btrfs --quiet /mnt/roots.btrfs
    umount "$folder/root/proc" "$folder/root/mnt"
  fi
  mount -o loop "$folder/roots.btrfs" "$folder/containers"
  chmod 0700 "$folder/containers"
fi

# Container roots, the store and Berth's own files are on a plain file system:
# idmapped mounts, which real hosts have, do not work on an overlay.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --boot --machine="$name" \
  --directory="$folder/root" --private-network --capability=all --console=pipe \
  --notify-ready=yes --resolv-conf=off --timezone=off --link-journal=no --settings=no \
  --bind="$folder/nix:/nix" \
  --bind="$folder/containers:/var/lib/nixos-containers" \
  --bind="$folder/berth:/var/lib/berth"
