# Hosts with Berth's modules, and what a system comes to.
{
  nixpkgs,
  disko ? null,
}:
rec {
  lib = import (nixpkgs + "/lib");

  # The configuration of a host.
  host =
    modules:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = null;
      specialArgs = { inherit disko; };
      modules = [
        ../../modules
        ../examples/hardware
      ]
      ++ modules;
    }).config;

  # What its assertions say that fail.
  failed = config: map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);

  # What is wrong with it, and what it would be built from.
  facts = config: {
    failed = failed config;
    inherit (config) warnings;
    drv = config.system.build.toplevel.drvPath;
  };
}
