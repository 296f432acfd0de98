{
  description = "Guest systems of the test host";

  inputs.guest = {
    url = "path:/usr/share/berth-testhost/guest";
    flake = false;
  };

  outputs =
    { guest, ... }:
    let
      system = import "${guest}/system.nix";
      normal = system {
        name = "agent";
        kind = "normal";
        marker = builtins.readFile ./marker;
      };
    in
    {
      # The systems of previews, see crates/host/src/nix.rs.
      lib.previewSystem = import "${guest}/preview.nix";

      # Recursive, so that a test can offer one of them as the agents' system.
      nixosConfigurations = rec {
        # What an operator has.
        agent = normal;
        # What tests start without Berth; the only one that the host keeps by itself.
        plain = system {
          name = "plain";
          kind = "normal";
          marker = "plain";
        };
        # Never become ready: one exits at once, one waits for ever.
        broken-boot = system {
          name = "broken-boot";
          kind = "broken";
        };
        hanging-boot = system {
          name = "hanging-boot";
          kind = "hanging";
        };
        # Boots with a failed unit.
        degraded = system {
          name = "degraded";
          kind = "degraded";
        };
      };
    };
}
