# Users, and the folders that must have their mode before anything runs: what
# containers write lies below some of them.
{ config, lib, ... }:
let
  cfg = config.services.berth;

  folder = mode: user: {
    d = {
      inherit mode user;
      # Each user here has a group of its own name.
      group = user;
    };
  };
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.versionAtLeast config.system.stateVersion "22.05";
        message = ''
          system.stateVersion is "${config.system.stateVersion}": before "22.05" NixOS keeps
          containers in /var/lib/containers, and Berth's programs look in
          /var/lib/nixos-containers. Move the host to a newer state version.
        '';
      }
    ];

    users.groups = {
      berth-build = { };
      berth-git = { };
    };
    users.users = {
      berth-build = {
        isSystemUser = true;
        group = "berth-build";
        description = "Evaluates the configurations of repositories";
      };
      berth-git = {
        isSystemUser = true;
        group = "berth-git";
        description = "Fetches repositories";
      };
    };

    systemd.tmpfiles.settings."10-berth" = {
      "/var/lib/berth" = folder "0755" "root";
      "/var/lib/berth/state" = folder "0700" "root";
      "/var/lib/berth/keys" = folder "0700" "root";
      "/var/lib/berth/secrets" = folder "0700" "root";
      "/var/lib/berth/gcroots" = folder "0700" "root";
      "/var/lib/berth/logs" = folder "0700" "root";
      "/var/lib/berth/rejected" = folder "0700" "root";
      "/var/lib/berth/mirrors" = folder "0700" "berth-git";
      "/var/lib/berth/sources" = folder "0700" "berth-git";
      # Caddy reads it.
      "/var/lib/berth/caddy" = folder "0755" "root";

      # Each container has its configuration here.
      "/etc/nixos-containers" = folder "0755" "root";

      # Containers write below these. With idmapped mounts a set-uid file of
      # container root is a set-uid root file of the host, so nobody may enter.
      "/var/lib/nixos-containers" = folder "0700" "root";
      "/nix/var/nix/profiles/per-container" = folder "0700" "root";
      "/nix/var/nix/gcroots/per-container" = folder "0700" "root";
    };
  };
}
