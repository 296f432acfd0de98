# The disks: one, or two as RAID 1. Each has the partitions that the firmware
# needs, a boot partition and one for everything else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.host;
  isRaid = lib.length cfg.disks > 1;
  isUefi = cfg.bootMode == "uefi";
  bootSize = "2G";

  root = {
    type = "filesystem";
    format = cfg.fileSystem;
    mountpoint = "/";
    mountOptions = [ "noatime" ];
  };
  boot = {
    type = "filesystem";
    format = "ext4";
    mountpoint = "/boot";
    mountOptions = [ "noatime" ];
  };
  esp = mountpoint: {
    type = "filesystem";
    format = "vfat";
    inherit mountpoint;
    mountOptions = [
      "umask=0077"
    ]
    # With one disk dead the host must still come up.
    ++ lib.optionals isRaid [
      "nofail"
      "x-systemd.device-timeout=15s"
    ];
  };
  # Holds a file system itself, or is a member of the array that does.
  partition =
    size: name: content:
    if isRaid then
      {
        inherit size;
        type = "FD00";
        content = {
          type = "mdraid";
          inherit name;
        };
      }
    else
      { inherit size content; };

  # What the firmware starts: the ESP, or GRUB's own partition and /boot.
  firmware =
    index:
    if isUefi then
      {
        esp = {
          size = bootSize;
          type = "EF00";
          content = esp (if index == 0 then "/boot" else "/boot-mirror");
        };
      }
    else
      {
        grub = {
          size = "1M";
          type = "EF02";
        };
        boot = partition bootSize "boot" boot;
      };

  disk = index: device: {
    name = if index == 0 then "first" else "second";
    value = {
      type = "disk";
      inherit device;
      preCreateHook = lib.mkIf isRaid refuseNewerArrays;
      content = {
        type = "gpt";
        partitions = firmware index // {
          root = partition "100%" "root" root;
        };
      };
    };
  };

  array = content: {
    type = "mdadm";
    level = 1;
    inherit content;
  };

  # Linux 6.19 writes the logical block size into a part of the superblock that
  # older kernels want empty: an array made by a newer installer would not be
  # found at the first boot. https://github.com/nix-community/disko/issues/1276
  kernel = config.boot.kernelPackages.kernel.version;
  refuseNewerArrays = lib.optionalString (lib.versionOlder kernel "6.19") ''
    running=$(uname -r)
    IFS=. read -r major minor _ <<<"$running"
    if ((major > 6 || (major == 6 && ''${minor%%[!0-9]*} >= 19))); then
      echo "error: Linux $running of this installer makes arrays that Linux ${kernel} of the installed system cannot read" >&2
      echo "call nixos-anywhere with --kexec and an image with a kernel before 6.19, see \"RAID 1\" in docs/install.md" >&2
      exit 1
    fi
  '';
in
{
  disko.devices = {
    disk = lib.listToAttrs (lib.imap0 disk (lib.take 2 cfg.disks));
    mdadm = lib.mkIf isRaid (
      {
        root = array root // {
          # Newer mdadm asks otherwise. After a crash only what was written is
          # compared.
          extraArgs = [ "--bitmap=internal" ];
        };
      }
      // lib.optionalAttrs (!isUefi) { boot = array boot; }
    );
  };

  # Events of arrays go to the journal: `journalctl -t mdadm-event`. mdadm wants
  # somebody to tell, and appends the event and the device.
  boot.swraid.mdadmConf = lib.mkIf isRaid "PROGRAM ${pkgs.writeShellScript "mdadm-event" ''
    exec ${lib.getExe' pkgs.util-linux "logger"} --tag mdadm-event --priority daemon.warning -- "$@"
  ''}";
}
