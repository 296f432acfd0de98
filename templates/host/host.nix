# All values of this server. `collect` writes this file from its rescue system;
# as it stands it holds placeholders, which are refused.
{
  berth.host = {
    name = "replace-me";
    domain = "example.com";
    platform = "x86_64-linux";
    stateVersion = "26.05";

    # Both disks are erased. One disk: no RAID.
    bootMode = "uefi";
    disks = [
      "/dev/disk/by-id/REPLACE-ME-1"
      "/dev/disk/by-id/REPLACE-ME-2"
    ];
    fileSystem = "ext4";

    network = {
      mac = "00:00:00:00:00:00";
      ipv4 = {
        address = "192.0.2.10";
        prefixLength = 24;
        gateway = "192.0.2.1";
      };
      ipv6 = {
        address = "2001:db8::10";
        prefixLength = 64;
        gateway = "fe80::1";
      };
    };

    sshKeys = [ "ssh-ed25519 REPLACE-ME you@your-machine" ];
  };
}
