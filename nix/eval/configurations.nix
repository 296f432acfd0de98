# Every `nixosConfigurations` of the flake, as a list of names or one by one:
# what is wrong with it, and what it would be built from.
{
  nixpkgs,
  disko ? null,
}:
let
  flake = import ./load-flake.nix { inherit nixpkgs disko; };
  told =
    { config, ... }:
    {
      failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
      inherit (config) warnings;
      drv = config.system.build.toplevel.drvPath;
    };
in
builtins.mapAttrs (_: told) flake.nixosConfigurations
