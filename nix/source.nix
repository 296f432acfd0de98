# Parts of this repository as build inputs, so that a change beside them rebuilds
# nothing.
{ lib }:
let
  inherit (lib) fileset;

  source =
    parts:
    fileset.toSource {
      root = ../.;
      fileset = fileset.unions parts;
    };

  workspace = [
    ../Cargo.lock
    ../Cargo.toml
  ];

  # What the compiler reads: scripts and migrations are included in programs.
  isCompiled =
    file:
    lib.any file.hasExt [
      "rs"
      "sh"
      "sql"
      "toml"
    ];

  # Cargo wants each member of the workspace to have a manifest and a target,
  # also of those that it does not build.
  testCrates = [
    ../tests/e2e/Cargo.toml
    ../tests/e2e/src/lib.rs
    ../tests/github/Cargo.toml
    ../tests/github/src/lib.rs
    ../tests/github/src/main.rs
    ../tests/host/Cargo.toml
    ../tests/host/src/lib.rs
  ];

  nixFiles = fileset.fileFilter (file: file.hasExt "nix") ../.;
in
{
  # What the programs are built from.
  programs = source (workspace ++ testCrates ++ [ (fileset.fileFilter isCompiled ../crates) ]);

  # What lints and unit tests read.
  rust = source (
    workspace
    ++ [
      ../clippy.toml
      ../crates
      ../rustfmt.toml
      ../tests/e2e
      ../tests/github
      ../tests/host
    ]
  );

  # Every Nix file.
  nix = source [ nixFiles ];
}
