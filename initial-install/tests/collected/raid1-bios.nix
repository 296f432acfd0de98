# Values of this server, as its rescue system told them to `collect`.
# 16 CPUs, 252 GiB of memory, an NVIDIA GPU (docs/gpu.md).
{
  berth.host = {
    name = "harbour";
    domain = "berth.test";
    platform = "x86_64-linux";
    stateVersion = "26.05";

    # What they hold is erased.
    bootMode = "bios";
    disks = [
      "/dev/disk/by-id/ata-SAMSUNG_MZ7LM480HMHQ-00005_S2UJNX0J100001" # 480 GB
      "/dev/disk/by-id/ata-SAMSUNG_MZ7LM480HMHQ-00005_S2UJNX0J100002" # 480 GB
    ];
    fileSystem = "xfs";

    network = {
      mac = "a8:a1:59:0a:0b:0c"; # eth0
      ipv4 = {
        address = "100.64.10.7";
        prefixLength = 26;
        gateway = "100.64.10.1";
      };
      ipv6 = null;
    };

    sshKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample00 ada@laptop"
    ];
  };
}
