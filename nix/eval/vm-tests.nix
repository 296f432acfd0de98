# The VM tests among the flake's checks, one by one: what each would be run from.
# One that does not evaluate, or a machine of which fails an assertion, throws.
{
  nixpkgs,
  disko ? null,
}:
let
  flake = import ./load-flake.nix { inherit nixpkgs disko; };
  inherit (flake.inputs.nixpkgs) lib;
  tests = lib.filterAttrs (name: _: lib.hasPrefix "vm-" name) flake.checks.x86_64-linux;
in
lib.mapAttrs (_: test: {
  failed = [ ];
  warnings = [ ];
  drv = test.drvPath;
}) tests
