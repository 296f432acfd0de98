# The same with previews at *.preview.test, of the repositories that lie in
# `sources`.
{ berth, sources }:
{
  imports = [ (import ./host.nix { inherit berth; }) ];

  services.berth.settings.preview = {
    domain = "preview.test";
    tls.mode = "internal";
    # The disk of the VM is small.
    bounds.free = "512M";
    deadlines.drain = "1s";
  };

  virtualisation.additionalPaths = map (
    source: (berth.lib.previewSystem { inherit source; }).config.system.build.toplevel
  ) sources;
}
