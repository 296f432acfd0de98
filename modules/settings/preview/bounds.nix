# The section `[preview.bounds]`: what a repository may ask of the host.
{ lib, ... }:
let
  types = import ../types.nix { inherit lib; };

  bound =
    type: default: description:
    lib.mkOption { inherit type default description; };
in
{
  options.bounds = {
    repository = bound types.memory "2G" "Largest pack that one fetch may bring.";
    evaluation_memory =
      bound types.memory "4G"
        "Memory that the evaluation of a `preview-config.nix` may use.";
    evaluation_time =
      bound types.duration "2m"
        "Time that the evaluation of a `preview-config.nix` may take.";
    build_silence = bound types.duration "15m" "How long a build may say nothing; then it is ended.";
    closure = bound types.memory "10G" "Largest closure of a preview, with all that it refers to.";
    free =
      bound types.memory "5G"
        "A build ends when less than this is free on the store's file system.";
    closures_kept = bound lib.types.ints.unsigned 20 ''
      How many closures that no preview uses are kept. The least recently used go first.
    '';
  };
}
