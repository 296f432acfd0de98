# `nix flake check`. VM tests are here alone, as they boot what is built. Golden
# files, combinations of switches and refusals are in `./dev test nixos` alone:
# they belong to one nixpkgs, and are too many systems for one evaluation.
{ flake, pkgs }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;

  source = import ./source.nix { inherit lib; };

  # A task of Cargo on the whole workspace, with the crates that the package has.
  cargo =
    name: tools: command:
    pkgs.berth.overrideAttrs {
      pname = "berth-${name}";
      src = source.rust;
      nativeBuildInputs = pkgs.berth.nativeBuildInputs ++ tools;
      buildPhase = ''
        runHook preBuild
        ${command}
        runHook postBuild
      '';
      installPhase = "touch $out";
      dontFixup = true;
    };

  # A shell command that fails when something is wrong with the Nix files.
  nixFiles =
    name: tools: command:
    pkgs.runCommand "berth-${name}" { nativeBuildInputs = tools; } ''
      cd ${source.nix}
      ${command}
      touch "$out"
    '';

  # What evaluation has shown already; `problems` are told when there are some.
  evaluated =
    name: problems:
    pkgs.runCommand "berth-${name}" { text = builtins.toJSON problems; } (
      if problems == [ ] then
        ''touch "$out"''
      else
        ''
          echo "$text" >&2
          exit 1
        ''
    );

  # Whole systems, for this platform, without building them.
  hosts = lib.mapAttrs (
    name: host:
    let
      there = host.extendModules { modules = [ { nixpkgs.hostPlatform = lib.mkForce system; } ]; };
      inherit (there.config.system.build) toplevel;
    in
    pkgs.writeText "berth-evaluated-${name}" (builtins.unsafeDiscardStringContext toplevel.drvPath)
  ) (flake.nixosConfigurations // import ./template.nix { inherit flake; });

  # Options that docs/reference/options.md lacks, or describes otherwise, and
  # what it has that is none. `./dev test nixos --update` writes it.
  staleOptions =
    let
      sections = import ./options-doc.nix { inherit (flake.inputs) nixpkgs disko; };
      options = lib.concatMap (section: section.options) sections;
      page = lib.splitString "\n### `" (builtins.readFile ../docs/reference/options.md);
      described = lib.listToAttrs (
        map (text: lib.nameValuePair (lib.head (lib.splitString "`" text)) text) (lib.tail page)
      );
      isStale =
        option:
        !lib.hasPrefix "${option.name}`\n\n${lib.trim (toString option.description)}\n"
          described.${option.name} or "";
      names = map (option: option.name);
    in
    names (lib.filter isStale options) ++ lib.subtractLists (names options) (lib.attrNames described);

  # A file in nix/tests is a test: a module of the NixOS test framework. Each
  # gets `berth`, this flake, and all its machines have the host's modules.
  vmTests =
    let
      isTest = name: kind: kind == "regular" && lib.hasSuffix ".nix" name;
      names = lib.attrNames (lib.filterAttrs isTest (builtins.readDir ./tests));
      test =
        file:
        pkgs.testers.runNixOSTest {
          imports = [ (./tests + "/${file}") ];
          _module.args.berth = flake;
          defaults.imports = [ flake.nixosModules.host ];
        };
    in
    lib.listToAttrs (
      map (file: lib.nameValuePair "vm-${lib.removeSuffix ".nix" file}" (test file)) names
    );

  # Tests that need neither root nor the host's tools. The others look into
  # owners, namespaces and nftables: they run in `./dev test`, as root.
  testedPackages = [
    "berth-agent"
    "berth-core"
    "berth-daemon"
    "berth-preview"
    "berth-term"
    "berth-webhook"
  ];
in
{
  package = pkgs.berth;

  unit-tests =
    cargo "unit-tests"
      [
        pkgs.caddy
        pkgs.git
      ]
      ''
        export HOME="$TMPDIR" INSTA_UPDATE=no
        cargo test --offline --lib --bins ${
          lib.concatMapStringsSep " " (package: "--package ${package}") testedPackages
        }
      '';
  clippy = cargo "clippy" [
    pkgs.clippy
  ] "cargo clippy --offline --workspace --all-targets -- --deny warnings";
  rust-format = cargo "rust-format" [ pkgs.rustfmt ] "cargo fmt --all --check";

  nix-format = nixFiles "nix-format" [ pkgs.nixfmt ] "find . -name '*.nix' -exec nixfmt --check {} +";
  nix-dead-code = nixFiles "nix-dead-code" [ pkgs.deadnix ] "deadnix --fail .";
  nix-helpers = evaluated "nix-helpers" (import ./lib/tests.nix);
  option-docs = evaluated "option-docs" staleOptions;
}
// lib.mapAttrs' (name: lib.nameValuePair "evaluates-${name}") hosts
# The closures flake of a VM is this flake, whose `nixosConfigurations.agent` is
# of this platform.
// lib.optionalAttrs (system == "x86_64-linux") vmTests
