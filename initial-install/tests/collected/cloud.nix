# Values of this server, as its rescue system told them to `collect`.
# 4 CPUs, 8 GiB of memory.
{
  berth.host = {
    name = "harbour";
    domain = "berth.test";
    platform = "aarch64-linux";
    stateVersion = "26.05";

    # What they hold is erased.
    bootMode = "uefi";
    disks = [
      "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_100000001" # 81 GB
    ];
    fileSystem = "ext4";

    network = {
      mac = "96:00:03:0a:0b:0c"; # enp1s0
      ipv4 = {
        address = "100.64.20.9";
        prefixLength = 32;
        gateway = "172.31.1.1";
      };
      ipv6 = {
        address = "fd12:3456:789a:2::1";
        prefixLength = 64;
        gateway = "fe80::1";
      };
    };

    sshKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample00 ada@laptop"
    ];
  };
}
