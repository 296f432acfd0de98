# GRUB in all layouts, with kernels on boot partitions of their own: it never
# has to read the file system of `/`, whose features may be newer than GRUB.
{ config, lib, ... }:
let
  cfg = config.berth.host;
  isRaid = lib.length cfg.disks > 1;
  isUefi = cfg.bootMode == "uefi";
in
{
  boot = {
    loader = {
      timeout = lib.mkDefault 5;
      # In mode bios disko names the devices, from the partitions of type EF02.
      grub = {
        enable = true;
        # Kernels of so many systems fit on 2 GiB.
        configurationLimit = lib.mkDefault 15;
        efiSupport = isUefi;
        # \EFI\BOOT\BOOTX64.EFI, which firmware starts from any disk without an
        # entry in its memory: either disk can be taken out.
        efiInstallAsRemovable = isUefi;
        # Firmware cannot read RAID. So each ESP is a file system of its own,
        # and each switch writes GRUB, its menu and the kernels to all of them.
        mirroredBoots = lib.mkIf isUefi (
          map
            (path: {
              inherit path;
              devices = [ "nodev" ];
            })
            (
              if isRaid then
                [
                  "/boot"
                  "/boot-mirror"
                ]
              else
                [ "/boot" ]
            )
        );
      };
      efi.canTouchEfiVariables = false;
    };

    # Only systemd's initrd starts an array that lacks a disk, 30 seconds later
    # (mdadm-last-resort@.timer): https://github.com/NixOS/nixpkgs/issues/72608
    initrd.systemd.enable = lib.mkIf isRaid true;
  };
}
