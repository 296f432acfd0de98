# What NixOS would install for each example, as text: an attribute set of
# examples, each with its files. A file is a text, or `{ drvs, name }` where a
# derivation has the text: `./dev test nixos` looks it up.
{
  nixpkgs,
  disko ? null,
}:
let
  lib = import (nixpkgs + "/lib");

  systemOf =
    file:
    import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = "x86_64-linux";
      specialArgs = { inherit disko; };
      modules = [
        ../modules
        file
      ];
    };

  isOurs =
    config: name:
    lib.hasPrefix "berth" name
    || lib.hasPrefix "preview-webhook" name
    # Of NixOS, and Berth adds to them.
    || name == "container@.service"
    || (name == "caddy.service" && config.services.caddy.enable);

  ofDerivation = name: value: {
    drvs = lib.attrNames (builtins.getContext value);
    inherit name;
  };
  lines = lib.concatMapStrings (line: "${line}\n");

  # As NixOS writes them.
  tmpfiles =
    config:
    let
      ours = lib.filterAttrs (name: _: lib.hasInfix "berth" name) config.systemd.tmpfiles.settings;
      entry =
        path: one:
        "'${one.type}' '${path}' '${one.mode}' '${one.user}' '${one.group}' '${one.age}' ${one.argument}";
    in
    lines (
      lib.concatMap (
        paths:
        lib.concatLists (lib.mapAttrsToList (path: types: map (entry path) (lib.attrValues types)) paths)
      ) (lib.attrValues ours)
    );

  postgresqlValue =
    value:
    if value == true then
      "yes"
    else if value == false then
      "no"
    else if lib.isString value then
      "'${lib.replaceStrings [ "'" ] [ "''" ] value}'"
    else
      toString value;
  postgresqlSettings =
    config:
    lib.mapAttrsToList (name: value: "${name} = ${postgresqlValue value}") (
      lib.filterAttrs (
        name: value:
        value != null
        && !(lib.elem name [
          "hba_file"
          "ident_file"
        ])
      ) config.services.postgresql.settings
    );

  sysctl =
    config: options:
    let
      isDefinedHere = one: lib.hasPrefix (toString ../modules) (toString one.file);
      definitions = lib.filter isDefinedHere options.boot.kernel.sysctl.definitionsWithLocations;
      names = lib.unique (lib.concatMap (one: lib.attrNames one.value) definitions);
    in
    map (name: "${name} = ${toString config.boot.kernel.sysctl.${name}}") (lib.naturalSort names);

  filesOf =
    { config, options, ... }:
    let
      cfg = config.services.berth;
      units = lib.filterAttrs (name: unit: isOurs config name && unit.enable) config.systemd.units;
      etc = config.environment.etc;
    in
    {
      "berth.toml" = cfg.toml;
      "sysctl.conf" = lines (sysctl config options);
      "tmpfiles.conf" = tmpfiles config;
    }
    // lib.mapAttrs' (name: unit: lib.nameValuePair "units/${name}" unit.text) units
    // lib.optionalAttrs cfg.buildEgress.enable { "build-egress.nft" = cfg.buildEgress.rules; }
    // lib.optionalAttrs config.security.sudo.enable { sudoers = config.security.sudo.configFile; }
    // lib.optionalAttrs config.services.caddy.enable {
      Caddyfile = ofDerivation "Caddyfile" config.services.caddy.configFile;
    }
    // lib.optionalAttrs config.services.postgresql.enable {
      "pg_hba.conf" = config.services.postgresql.authentication;
      "pg_ident.conf" = config.services.postgresql.identMap;
      "postgresql.conf" = lines (postgresqlSettings config);
    }
    // lib.optionalAttrs (etc ? "systemd/resolved.conf.d/berth.conf") {
      "resolved.conf" =
        ofDerivation "berth-resolved.conf" "${etc."systemd/resolved.conf.d/berth.conf".source}";
    }
    // lib.mapAttrs' (name: unit: lib.nameValuePair "network/${name}" unit.text) (
      lib.filterAttrs (name: _: lib.hasInfix "berth" name) config.systemd.network.units
    );

  examples = lib.filterAttrs (name: kind: kind == "regular" && lib.hasSuffix ".nix" name) (
    builtins.readDir ./examples
  );
in
lib.mapAttrs' (
  name: _:
  lib.nameValuePair (lib.removeSuffix ".nix" name) (filesOf (systemOf (./examples + "/${name}")))
) examples
