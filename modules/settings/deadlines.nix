# The section `[deadlines]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };

  deadline =
    default: description:
    lib.mkOption {
      type = types.duration;
      example = "1h 30m";
      inherit default description;
    };
in
{
  options.services.berth.settings.deadlines = {
    boot = deadline "2m" "How long a container may take from its start to the first login.";
    stop = deadline "30s" "How long a container may take to shut down; then it is killed.";
    build = deadline "1h" "How long the build of a closure may take.";
  };
}
