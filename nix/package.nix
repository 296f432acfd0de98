# All programs of Berth, built once.
#
# Nothing is wrapped. The programs look for their tools in
# /run/current-system/sw/bin and nowhere else, whatever `PATH` they are called
# with (crates/host/src/exec/invocation.rs): what runs as root behind sudo must
# not take a tool from its caller. `modules/package.nix` puts the tools there. It
# also keeps `bin/agent` and `bin/preview` the programs themselves, which the
# sudo rule names by their exact paths.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
}:
let
  manifest = lib.importTOML ../Cargo.toml;

  packages = [
    "berth-agent"
    "berth-daemon"
    "berth-guard"
    "berth-preview"
    "berth-webhook"
  ];

  # Those that print completions and pages of their own. `berth-guard` has one
  # argument and is called by systemd.
  documented = [
    "agent"
    "berthd"
    "preview"
    "preview-webhook"
  ];
in
rustPlatform.buildRustPackage {
  pname = "berth";
  inherit (manifest.workspace.package) version;

  src = (import ./source.nix { inherit lib; }).programs;
  # All crates come from the registry, with their hashes in the lock file.
  cargoLock.lockFile = ../Cargo.lock;

  cargoBuildFlags = lib.concatMap (package: [
    "--package"
    package
  ]) packages;

  # Tests have a derivation of their own (nix/checks.nix): a host that builds
  # this package needs no second build of it, and a change to a test does not
  # restart the daemon.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];

  # The programs say themselves what they are, so they must run here.
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) (
    lib.concatMapStrings (program: ''
      installShellCompletion --cmd ${program} \
        --bash <("$out/bin/${program}" completions bash) \
        --fish <("$out/bin/${program}" completions fish) \
        --zsh <("$out/bin/${program}" completions zsh)
    '') documented
    + ''
      mkdir pages
      for program in agent preview; do
        "$out/bin/$program" man --dir pages
      done
      for program in berthd preview-webhook; do
        "$out/bin/$program" man >"pages/$program.1"
      done
      installManPage pages/*.1
    ''
  );

  meta = {
    description = "Machines of their own for coding agents and pull requests, on one NixOS server";
    license = lib.licenses.mit;
    mainProgram = "agent";
    platforms = lib.platforms.linux;
  };
}
