# The guest of a preview: `berth.preview`.
{ lib, ... }:
{
  imports = [
    ./base.nix
    ./preview/user.nix
    ./preview/meta.nix
    ./preview/app.nix
    ./presets/node.nix
    ./presets/static.nix
  ];

  system.name = lib.mkDefault "preview";
}
