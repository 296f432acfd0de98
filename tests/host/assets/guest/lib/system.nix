# One guest system without nixpkgs: a Debian file system in the store plays the
# packages, build.sh plays the NixOS modules.
{
  name,
  kind,
  marker ? "",
  attributes ? { },
  build ? { },
}:
let
  paths = builtins.fromJSON (builtins.readFile ./store-paths.json);
  # Pure evaluation refuses builtins.storePath; a context of our own keeps the
  # reference all the same.
  stored =
    path:
    builtins.appendContext path {
      ${path} = {
        path = true;
      };
    };
  lib = builtins.path {
    path = ./.;
    name = "berth-test-lib";
  };
in
{
  config.system.build = build // {
    toplevel = derivation (
      attributes
      // {
        name = "nixos-system-${name}-test";
        system = "x86_64-linux";
        builder = "${stored paths.tools}/bin/bash";
        args = [ "${lib}/build.sh" ];
        inherit lib kind marker;
        tools = stored paths.tools;
        guest = stored paths.guest;
      }
    );
  };
}
