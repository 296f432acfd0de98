{
  description = "Machines of their own for coding agents and pull requests, on one NixOS server";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Partitions a new server: initial-install.
    disko = {
      url = "github:nix-community/disko";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      disko,
    }:
    let
      inherit (nixpkgs) lib;
      closures = import ./nix/closures.nix { inherit nixpkgs; };

      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEach =
        output:
        lib.genAttrs systems (
          system: output (nixpkgs.legacyPackages.${system}.extend self.overlays.default)
        );

      host =
        example:
        lib.nixosSystem {
          modules = [
            self.nixosModules.host
            example
          ];
        };
    in
    {
      packages = forEach (
        pkgs:
        {
          inherit (pkgs) berth;
          default = pkgs.berth;
        }
        // import ./nix/programs.nix { inherit (pkgs) lib runCommand berth; }
      );

      overlays.default = import ./nix/overlay.nix;

      nixosModules = {
        default = self.nixosModules.host;
        host = ./modules;
        agent = ./modules/container/agent.nix;
        preview = ./modules/container/preview.nix;
        nvidia = ./modules/nvidia.nix;
        # A new server from its `host.nix`: disks, boot loader, uplink, ssh.
        bare-metal.imports = [
          disko.nixosModules.disko
          ./initial-install
        ];
      };

      nixosConfigurations = {
        agent = closures.agentSystem { };
        preview = closures.previewSystem { };
        example-host = host ./nix/examples/host.nix;
        example-gpu-host = host ./nix/examples/gpu-host.nix;
      };

      lib = closures;

      templates = {
        default = self.templates.host;
        host = {
          path = ./templates/host;
          description = "A server that runs Berth";
          welcomeText = "Read README.md, it is short, then fill in `host.nix` and `berth.nix`.";
        };
      };

      checks = forEach (
        pkgs:
        import ./nix/checks.nix {
          flake = self;
          inherit pkgs;
        }
      );

      apps = import ./nix/apps.nix {
        flake = self;
        inherit nixpkgs;
      };

      devShells = forEach (pkgs: {
        default = import ./nix/dev-shell.nix { inherit pkgs; };
      });

      formatter = forEach (pkgs: pkgs.nixfmt-tree);
    };
}
