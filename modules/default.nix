# The host: imports every module of `services.berth`.
{ lib, ... }:
let
  present = lib.filter builtins.pathExists;
in
{
  imports = present [
    ./build-egress.nix
    ./caddy.nix
    ./containers.nix
    ./daemon.nix
    ./firewall.nix
    ./gpu.nix
    ./network.nix
    ./nix-daemon.nix
    ./operators.nix
    ./package.nix
    ./postgres.nix
    ./settings.nix
    ./state.nix
    ./webhook.nix
  ];
}
