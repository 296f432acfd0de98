# The double of GitHub that Berth's own tests use; see tests/github/README.md.
{ lib, rustPlatform }:
rustPlatform.buildRustPackage {
  pname = "github-double";
  inherit ((lib.importTOML ../../../Cargo.toml).workspace.package) version;
  src = (import ../../source.nix { inherit lib; }).rust;
  cargoLock.lockFile = ../../../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "berth-github-double"
  ];
  doCheck = false;
  meta.mainProgram = "github-double";
}
