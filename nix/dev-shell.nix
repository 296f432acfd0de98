# What `cargo xtask check` calls, and the tools for a working day. The test host
# wants Debian's packages, as root: `./dev` (CONTRIBUTING.md).
{ pkgs }:
pkgs.mkShell {
  inputsFrom = [ pkgs.berth ];

  packages = [
    pkgs.caddy
    pkgs.clippy
    pkgs.deadnix
    pkgs.git
    pkgs.nftables
    pkgs.nixfmt-tree
    pkgs.rust-analyzer
    pkgs.rustfmt
    pkgs.shellcheck
  ];
}
