{
  description = "A server that runs Berth";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # OWNER is whose Berth you use.
    berth = {
      url = "github:OWNER/berth";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      berth,
    }:
    let
      inherit (nixpkgs) lib;
      system = (import ./host.nix).berth.host.platform;

      # nixos-anywhere writes it.
      hardware = ./hardware-configuration.nix;

      # Where Berth finds the two guests below: in this flake, as it was when the
      # host was switched to it. Their inputs are kept on the host.
      closures = {
        services.berth.settings.closures = "path:${self}";
        nix.registry.berth.flake = berth;
      };
    in
    {
      nixosConfigurations = {
        # `nixos-rebuild switch --flake .#host`
        host = lib.nixosSystem {
          modules = [
            berth.nixosModules.host
            berth.nixosModules.bare-metal
            closures
            ./host.nix
            ./berth.nix
            # Previews of branches and pull requests, once there is a domain:
            # ./previews.nix
          ]
          ++ lib.optional (builtins.pathExists hardware) hardware;
        };

        # What `agent build` builds, for every new agent.
        agent = berth.lib.agentSystem {
          inherit system;
          modules = [ ./agent.nix ];
        };
      };

      # What Berth evaluates for a repository: purely, as the user `berth-build`
      # and without network. `source` has the repository's `.nix` files, or is
      # null where it has no `preview-config.nix`.
      lib.previewSystem =
        {
          source ? null,
        }:
        berth.lib.previewSystem {
          inherit source system;
          modules = [ ./preview.nix ];
        };
    };
}
