# The guest of an agent: `berth.agent`.
{ lib, ... }:
{
  imports = [
    ./base.nix
    ./agent/user.nix
    ./agent/ssh.nix
    ./agent/coding-agents.nix
    ./agent/tools.nix
    ./agent/credentials.nix
  ];

  system.name = lib.mkDefault "agent";
  berth.nix.enable = lib.mkDefault true;
}
