# The host's name, and root's ssh.
{ config, lib, ... }:
let
  cfg = config.berth.host;
in
{
  networking = {
    hostName = cfg.name;
    inherit (cfg) domain;
  };

  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = lib.mkDefault "prohibit-password";
    };
  };
  users.users.root.openssh.authorizedKeys.keys = cfg.sshKeys;

  nixpkgs.hostPlatform = cfg.platform;
  system = { inherit (cfg) stateVersion; };
}
