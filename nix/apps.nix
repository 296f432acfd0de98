# `nix run`: a demo, and what an installation starts with.
{ flake, nixpkgs }:
let
  inherit (nixpkgs) lib;

  app = package: description: {
    type = "app";
    program = lib.getExe package;
    meta = { inherit description; };
  };

  # Where people sit who install a server.
  collect = lib.genAttrs [
    "aarch64-darwin"
    "aarch64-linux"
    "x86_64-darwin"
    "x86_64-linux"
  ] (system: nixpkgs.legacyPackages.${system}.callPackage ../initial-install/package.nix { });

  # Of one platform: its guests are those of `nixosConfigurations`.
  demo = flake.nixosConfigurations.example-host.extendModules {
    modules = [ { virtualisation.vmVariant = import ./demo-vm.nix { inherit flake; }; } ];
  };
  demoApp = app demo.config.system.build.vm "Boots a host as a virtual machine, with everything that it needs";
in
lib.recursiveUpdate
  (lib.mapAttrs (_: package: {
    collect = app package "Collects the values of a server from its rescue system";
  }) collect)
  {
    x86_64-linux = {
      default = demoApp;
      demo = demoApp;
    };
  }
