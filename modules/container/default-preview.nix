# What a repository without a `preview-config.nix` gets, where the host allows it
# (`preview.default_configuration`): its files, as they are.
{
  berth.preview.presets.static = {
    enable = true;
    listing = true;
  };
}
