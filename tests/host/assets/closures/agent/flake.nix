{
  description = "Guest systems of the test host";

  inputs.guest = {
    url = "path:/usr/share/berth-testhost/guest";
    flake = false;
  };

  outputs = { self, guest }:
    let
      system = import "${guest}/system.nix";
      marker = builtins.readFile ./marker;
    in
    {
      # The systems of previews, see crates/host/src/nix.rs.
      lib.previewSystem = import "${guest}/preview.nix";

      nixosConfigurations = {
        # What an operator has.
        agent = system { name = "agent"; kind = "normal"; inherit marker; };
        # What tests start without Berth; the only one that the host keeps by itself.
        plain = system { name = "plain"; kind = "normal"; marker = "plain"; };
        # Never become ready: one exits at once, one waits for ever.
        broken-boot = system { name = "broken-boot"; kind = "broken"; };
        hanging-boot = system { name = "hanging-boot"; kind = "hanging"; };
        # Boots with a failed unit.
        degraded = system { name = "degraded"; kind = "degraded"; };
      };
    };
}
