# shellcheck shell=bash
# host.nix, and what to do with it.

# Linux before 6.19, see "RAID 1" in docs/install.md.
readonly RAID_IMAGES=https://github.com/nix-community/nixos-images/releases/download/nixos-25.05

# Everything that is put in here was matched against a pattern without quotes,
# backslashes, `$` and line breaks.
host_nix() {
  cat <<NIX
# Values of this server, as its rescue system told them to \`collect\`.
# $CPUS CPUs, $MEMORY GiB of memory$GPU.
{
  berth.host = {
    name = "$NAME";
    domain = "$DOMAIN";
    platform = "$MACHINE-linux";
    stateVersion = "$STATE_VERSION";

    # What they hold is erased.
    bootMode = "$BOOT_MODE";
    disks = [
$(for disk in "${CHOSEN[@]}"; do echo "      \"${DISK_PATH[$disk]}\" # $(gigabytes "$disk")"; done)
    ];
    fileSystem = "$FILE_SYSTEM";

    network = {
      mac = "$MAC"; # $INTERFACE
$(address_nix ipv4 "$IPV4" "${PREFIX4-}" "$GATEWAY4")
$(address_nix ipv6 "$IPV6" "${PREFIX6-}" "$GATEWAY6")
    };

    sshKeys = [
$(printf '      "%s"\n' "${SSH_KEYS[@]}")
    ];
  };
}
NIX
}

address_nix() {
  if [ -z "$2" ]; then
    echo "      $1 = null;"
    return
  fi
  cat <<NIX
      $1 = {
        address = "$2";
        prefixLength = $3;
        gateway = "$4";
      };
NIX
}

# Written aside and then given its name, so that there is never half a file.
write_result() {
  local aside
  aside=$(mktemp "$OUTPUT.XXXXXX") || fail "\`$OUTPUT\` cannot be written there"
  # shellcheck disable=SC2064 # the name of now
  trap "rm -f -- $(printf %q "$aside")" EXIT
  host_nix >"$aside"
  chmod 644 "$aside"
  if command -v nix-instantiate >/dev/null; then
    nix-instantiate --parse "$aside" >/dev/null 2>&1 || fail 'what was collected is no Nix: nothing is written'
  fi
  if [ -z "$FORCE" ]; then
    # A link does not replace a file that came in between.
    ln -T "$aside" "$OUTPUT" || fail "\`$OUTPUT\` is there by now: nothing is written"
  else
    [ ! -e "$OUTPUT" ] || cp -p -- "$OUTPUT" "$OUTPUT.old"
    mv -fT "$aside" "$OUTPUT"
  fi
}

tell_what_is_next() {
  note "\`$OUTPUT\` is written: look it over"
  note 'nixos-anywhere will erase:'
  list_disks "${CHOSEN[@]}"
  [ "$NAME" != replace-me ] || note "still to fill in: \`name\` (or call again with --name)"
  [ "$DOMAIN" != example.com ] || note "still to fill in: \`domain\` (or call again with --domain)"
  note 'then install; with secrets, add --extra-files (see docs/install.md):'
  install_command
}

install_command() {
  echo "nix --extra-experimental-features 'nix-command flakes' run github:nix-community/nixos-anywhere -- \\"
  echo "  --flake .#host --target-host $TARGET \\"
  [ -z "$PORT" ] || echo "  --ssh-port $PORT \\"
  [ -z "$IDENTITY" ] || printf '  -i %q \\\n' "$IDENTITY"
  [ ${#CHOSEN[@]} -eq 1 ] || echo "  --kexec $RAID_IMAGES/nixos-kexec-installer-noninteractive-$MACHINE-linux.tar.gz \\"
  echo '  --generate-hardware-config nixos-generate-config ./hardware-configuration.nix'
}
