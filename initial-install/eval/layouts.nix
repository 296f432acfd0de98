# Every disk layout with real modules of NixOS and disko, and what comes of it.
{ nixpkgs, disko }:
let
  inherit (import ./host.nix { inherit nixpkgs disko; })
    lib
    host
    system
    facts
    ;

  one = [ "/dev/disk/by-id/ata-SAMSUNG_MZ7L3480_S6EVNE0T100001" ];
  layouts = {
    raid1-bios.bootMode = "bios";
    raid1-uefi.bootMode = "uefi";
    single-bios = {
      bootMode = "bios";
      disks = one;
    };
    single-uefi = {
      bootMode = "uefi";
      disks = one;
    };
    single-aarch64 = {
      bootMode = "uefi";
      platform = "aarch64-linux";
      disks = one;
    };
    ipv4-only = {
      network.ipv6 = null;
      disks = one;
    };
    ipv6-only = {
      network.ipv4 = null;
      disks = one;
    };
  };
  fileSystems =
    lib.mapAttrs'
      (
        fileSystem: bootMode:
        lib.nameValuePair "raid1-${bootMode}-${fileSystem}" { inherit bootMode fileSystem; }
      )
      {
        xfs = "bios";
        btrfs = "uefi";
      };

  layout =
    config:
    facts config
    // {
      mounts = lib.mapAttrs (
        _: one: "${one.device} ${one.fsType} ${lib.concatStringsSep "," one.options}"
      ) (lib.filterAttrs (_: one: one.fsType != "tmpfs") config.fileSystems);
      grub = {
        inherit (config.boot.loader.grub) efiInstallAsRemovable;
        installed = map (boot: { inherit (boot) path devices; }) config.boot.loader.grub.mirroredBoots;
      };
      raid = config.boot.swraid.enable;
      systemdInitrd = config.boot.initrd.systemd.enable;
      uplink = config.systemd.network.units."10-uplink.network".text;
    };
  # What `collect` writes is what the options take.
  collected = lib.mapAttrs' (
    file: _:
    lib.nameValuePair "collected-${lib.removeSuffix ".nix" file}" (
      layout (system [ (../tests/collected + "/${file}") ])
    )
  ) (lib.filterAttrs (file: _: lib.hasSuffix ".nix" file) (builtins.readDir ../tests/collected));
in
collected // lib.mapAttrs (_: values: layout (host values)) (layouts // fileSystems)
