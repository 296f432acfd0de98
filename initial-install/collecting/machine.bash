# shellcheck shell=bash
# Processor, memory, firmware, GPU.

collect_machine() {
  local kibibytes
  case "$(answers machine)" in
    x86_64) MACHINE=x86_64 ;;
    aarch64) MACHINE=aarch64 ;;
    *) refuse "machine $(answers machine)" ;;
  esac
  BOOT_MODE=$(answers boot)
  [[ $BOOT_MODE =~ ^(uefi|bios)$ ]] || refuse "boot $BOOT_MODE"
  [[ $MACHINE$BOOT_MODE != aarch64bios ]] || fail 'an ARM server without UEFI cannot be installed'
  CPUS=$(answers cpus)
  is_number "$CPUS" || refuse "cpus $CPUS"
  kibibytes=$(answers memory)
  is_number "$kibibytes" || refuse "memory $kibibytes"
  MEMORY=$(((kibibytes + 524288) / 1048576))
  [ "$MEMORY" -ge 2 ] || note "the server has less than 2 GiB of memory: nixos-anywhere may run out of it"
  GPU=''
  [ -z "$(answers gpu)" ] || GPU=', an NVIDIA GPU (docs/gpu.md)'
}
