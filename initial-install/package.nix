# `collect` as a program of its own: `nix run .#collect -- --help`.
{
  lib,
  writeShellApplication,
  bash,
  openssh,
  coreutils,
}:
let
  source = lib.fileset.toSource {
    root = ./.;
    fileset = lib.fileset.unions [
      ./collect
      ./collecting
    ];
  };
in
writeShellApplication {
  name = "collect";
  runtimeInputs = [
    bash
    coreutils
    openssh
  ];
  text = ''
    exec bash ${source}/collect "$@"
  '';
  meta.description = "Collects the values of a server from its rescue system";
}
