# The systems that containers boot: `lib.agentSystem` and `lib.previewSystem`.
#
# Berth evaluates the second one for whatever a repository says: purely, as a
# user who may do nothing else, without network and without import from
# derivation. So nothing here may read what is built or fetched.
{ nixpkgs }:
let
  guest =
    system: modules:
    nixpkgs.lib.nixosSystem { modules = [ { nixpkgs.hostPlatform = system; } ] ++ modules; };
in
{
  # `modules` are the operator's, for every agent.
  agentSystem =
    {
      system ? "x86_64-linux",
      modules ? [ ],
    }:
    guest system ([ ../modules/container/agent.nix ] ++ modules);

  # `source` is a folder with the `.nix` files of a repository, or null where it
  # has no `preview-config.nix`; `default` is taken then. `modules` are the
  # operator's, for every preview.
  previewSystem =
    {
      source ? null,
      system ? "x86_64-linux",
      modules ? [ ],
      default ? ../modules/container/default-preview.nix,
    }:
    guest system (
      [
        ../modules/container/preview.nix
        (if source == null then default else source + "/preview-config.nix")
      ]
      ++ modules
    );
}
