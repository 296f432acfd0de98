# Every option of Berth's modules that people set, as data for
# docs/reference/options.md: `{ title, intro, options }` in the page's order.
{
  nixpkgs,
  disko ? null,
}:
let
  lib = import (nixpkgs + "/lib");
  root = toString ../.;

  pages = [
    {
      title = "Host";
      intro = "Of `nixosModules.host`, which is `nixosModules.default`.";
      module = ../modules;
    }
    {
      title = "NVIDIA";
      intro = "Of `nixosModules.nvidia`, for the host.";
      module = ../modules/nvidia.nix;
    }
    {
      title = "Agent";
      intro = "Of `nixosModules.agent`, the system of an agent.";
      module = ../modules/container/agent.nix;
    }
    {
      title = "Preview";
      intro = "Of `nixosModules.preview`, the system of a preview: what `preview-config.nix` may say beside the options of NixOS.";
      module = ../modules/container/preview.nix;
    }
  ];

  optionsOf =
    module:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = "x86_64-linux";
      specialArgs = { inherit disko; };
      modules = [
        module
        { _module.check = false; }
      ];
    }).options;

  isHere = option: lib.any (file: lib.hasPrefix "${root}/" (toString file)) option.declarations;
  declared = options: lib.filter isHere (lib.collect lib.isOption options);

  text = value: if value == null then null else value.text or value;
  described =
    option:
    map (one: {
      inherit (one) name type;
      readOnly = one.readOnly or false;
      description = text (one.description or null);
      default = text (one.default or null);
      example = text (one.example or null);
      files = map (file: lib.removePrefix "${root}/" (toString file)) one.declarations;
    }) (lib.filter isShown (lib.optionAttrSetToDocList { inherit option; }));
  isShown =
    one:
    (one.visible or true) == true && !(one.internal or false) && !(lib.hasInfix "_module" one.name);
in
map (page: {
  inherit (page) title intro;
  options = lib.sort (a: b: a.name < b.name) (
    lib.concatMap described (declared (optionsOf page.module))
  );
}) (lib.filter (page: builtins.pathExists page.module) pages)
