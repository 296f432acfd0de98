# The section `[preview.deadlines]`: how long the steps of a deployment take.
{ lib, ... }:
let
  types = import ../types.nix { inherit lib; };

  deadline =
    default: description:
    lib.mkOption {
      type = types.duration;
      example = "30s";
      inherit default description;
    };
in
{
  options.deadlines = {
    fetch = deadline "10m" "How long fetching a commit may take.";
    setup = deadline "15m" "How long the setup service may run, and each app service may take to start.";
    ready = deadline "2m" "How long the app services may take until they answer, and listen at every port of the routes.";
    drain = deadline "10s" "How long connections to the old site may go on after a switch.";
  };
}
