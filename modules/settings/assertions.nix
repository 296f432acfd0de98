# What Berth's programs would refuse in `berth.toml` and a type cannot see.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  subnet = import ../../nix/lib/subnet.nix;
  problem = subnet.problem cfg.settings.subnet;
in
{
  config.assertions = lib.optionals cfg.enable [
    {
      assertion = problem == null;
      message = "services.berth.settings.subnet: ${toString problem}";
    }
  ];
}
