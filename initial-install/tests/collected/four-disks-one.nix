# Values of this server, as its rescue system told them to `collect`.
# 16 CPUs, 63 GiB of memory.
{
  berth.host = {
    name = "harbour";
    domain = "berth.test";
    platform = "x86_64-linux";
    stateVersion = "26.05";

    # What they hold is erased.
    bootMode = "uefi";
    disks = [
      "/dev/disk/by-id/nvme-SAMSUNG_MZVL2512HCJQ-00B00_S675NX0T100002" # 512 GB
    ];
    fileSystem = "ext4";

    network = {
      mac = "a8:a1:59:0a:0b:0c"; # eth0
      ipv4 = {
        address = "100.64.10.7";
        prefixLength = 26;
        gateway = "100.64.10.1";
      };
      ipv6 = {
        address = "fd12:3456:789a:1::2";
        prefixLength = 64;
        gateway = "fe80::1";
      };
    };

    sshKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample00 ada@laptop"
    ];
  };
}
