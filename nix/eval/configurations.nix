# Every `nixosConfigurations` of the flake, as a list of names or one by one:
# what is wrong with it, and what it would be built from.
{
  nixpkgs,
  disko ? null,
}:
let
  flake = import ./load-flake.nix { inherit nixpkgs disko; };
  inherit (import ./system.nix { inherit nixpkgs; }) facts;
in
builtins.mapAttrs (_: system: facts system.config) flake.nixosConfigurations
