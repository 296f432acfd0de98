# What servers need to find their disks. `nixos-anywhere` adds what the machine
# at hand needs beyond that, in hardware-configuration.nix.
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  boot.initrd.availableKernelModules = [
    "ahci"
    "megaraid_sas"
    "mpt3sas"
    "nvme"
    "sd_mod"
    "usbhid"
    "virtio_blk"
    "virtio_pci"
    "virtio_scsi"
    "xhci_pci"
  ];
}
