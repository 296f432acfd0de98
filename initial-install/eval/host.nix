# The configuration of a server to install: `values` are merged over those of a
# server with two disks. Addresses are private, since those of examples are refused.
{ nixpkgs, disko }:
let
  inherit (import ../../nix/eval/system.nix { inherit nixpkgs; }) lib failed facts;

  server = {
    berth.host = {
      name = "harbour";
      domain = "berth.test";
      stateVersion = "24.05";
      bootMode = "uefi";
      disks = [
        "/dev/disk/by-id/nvme-SAMSUNG_MZVL2512HCJQ-00B00_S675NX0T100001"
        "/dev/disk/by-id/nvme-SAMSUNG_MZVL2512HCJQ-00B00_S675NX0T100002"
      ];
      network = {
        mac = "a8:a1:59:00:00:01";
        ipv4 = {
          address = "172.16.0.10";
          prefixLength = 26;
          gateway = "172.16.0.1";
        };
        ipv6 = {
          address = "fd00:1::2";
          prefixLength = 64;
          gateway = "fe80::1";
        };
      };
      sshKeys = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample00 ada@laptop"
      ];
    };
  };

  system =
    modules:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      inherit lib;
      system = null;
      modules = [
        ../.
        (disko + "/module.nix")
      ]
      ++ modules;
    }).config;
in
{
  inherit
    lib
    system
    failed
    facts
    ;
  # What the template comes with.
  placeholders = system [ ../../templates/host/host.nix ];
  host =
    values:
    system [
      (lib.recursiveUpdate server { berth.host = values; })
    ];
}
