#!/bin/bash
# Mounts the host's root and becomes systemd-nspawn. Runs in a mount namespace
# of its own, so that nothing stays mounted when it ends, however it ends.
#
# Call: launch.sh NAME FOLDER LOWER CGROUP
set -euo pipefail

name=$1 folder=$2 lower=$3 cgroup=$4

echo $$ >"$cgroup/cgroup.procs"
mount -t overlay overlay \
  -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"

# Container roots, the store and Berth's own files are on a plain file system:
# idmapped mounts, which real hosts have, do not work on an overlay.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --boot --machine="$name" \
  --directory="$folder/root" --private-network --capability=all --console=pipe \
  --notify-ready=yes --resolv-conf=off --timezone=off --link-journal=no --settings=no \
  --bind="$folder/nix:/nix" \
  --bind="$folder/containers:/var/lib/nixos-containers" \
  --bind="$folder/berth:/var/lib/berth"
