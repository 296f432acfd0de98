# Bare metal for a host: disks, boot loader, uplink, ssh. All values come from
# one `host.nix`, which `collect` writes. Needs disko's module beside it.
{
  imports = [
    ./access.nix
    ./boot.nix
    ./disks.nix
    ./hardware.nix
    ./network.nix
    ./options.nix
    ./placeholders.nix
  ];
}
