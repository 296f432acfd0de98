# The section `[daemon]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };

  atOnce =
    default: description:
    lib.mkOption {
      type = lib.types.ints.between 1 64;
      example = 8;
      inherit default description;
    };
  duration =
    default: description:
    lib.mkOption {
      type = types.duration;
      example = "30s";
      inherit default description;
    };
in
{
  options.services.berth.settings.daemon = {
    workers = atOnce 2 "How many pull requests `berthd` works on at once.";
    starts = atOnce 4 "How many containers `berthd` starts at once, as after a reboot.";
    attempts = atOnce 10 ''
      After so many failures in a row a pull request waits for `preview retry`.
    '';
    reconcile = duration "1m" "How often records and host are made equal.";
    compare = duration "5m" "How often all open pull requests are compared with all previews.";
    shutdown = duration "1m" ''
      How long deployments under way may take back what they did when `berthd` ends.
    '';

    spool = lib.mkOption {
      type = types.file;
      default = "/var/lib/berth-webhook/spool";
      example = "/srv/deliveries";
      description = "Folder in which `preview-webhook` stores deliveries.";
    };
  };
}
