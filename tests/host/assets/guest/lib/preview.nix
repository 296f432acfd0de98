# Preview guests without nixpkgs: what the closures flake offers as
# `lib.previewSystem`. A repository's preview-config.nix is a module of the
# options below, which are those of NixOS and of Berth's guest module that the
# fixtures use.
{
  source ? null,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elemAt
    filter
    genList
    isList
    length
    listToAttrs
    map
    match
    toJSON
    ;

  modules = import ./modules.nix { };
  inherit (modules) lib types;
  system = import ./system.nix;
  paths = builtins.fromJSON (builtins.readFile ./store-paths.json);
  stored =
    path:
    builtins.appendContext path {
      ${path} = {
        path = true;
      };
    };

  # Every package is the guest's Debian, which lies on /usr.
  pkgs =
    lib.genAttrs
      [
        "bash"
        "busybox"
        "coreutils"
        "curl"
        "findutils"
        "git"
        "gnugrep"
        "gnused"
        "postgresql"
        "procps"
        "python3"
      ]
      (name: {
        inherit name;
        type = "package";
        outPath = "/usr";
      })
    // {
      runtimeShell = "/bin/bash";
      writeText =
        name: text:
        pkgs.runCommand name {
          inherit text;
          passAsFile = [ "text" ];
        } ''cat "$textPath" >"$out"'';
      writeShellScript =
        name: text:
        pkgs.runCommand name {
          text = "#!/bin/bash\n${text}\n";
          passAsFile = [ "text" ];
        } ''cat "$textPath" >"$out"; chmod +x "$out"'';
      runCommand =
        name: attributes: script:
        derivation (
          {
            inherit name;
            system = "x86_64-linux";
            builder = "${stored paths.tools}/bin/bash";
            args = [
              "-euc"
              "export PATH=${stored paths.tools}/bin\n${script}"
            ];
          }
          // attributes
        );
    };

  option = type: default: { inherit type default; };
  attributes = option (types.attrsOf types.anything) { };
  list = option types.list [ ];
  service = {
    description = option types.str "";
    enable = option types.bool true;
    script = option types.lines "";
    preStart = option types.lines "";
    path = list;
    environment = option (types.attrsOf types.scalar) { };
    wantedBy = list;
    after = list;
    before = list;
    requires = list;
    wants = list;
    unitConfig = attributes;
    serviceConfig = attributes;
  };
  etc = {
    text = option types.lines null;
    source = option types.anything null;
    mode = option types.str "0644";
  };
  preview = {
    setupService = option types.anything null;
    appServices = list;
    database = option types.anything null;
    routes = list;
    hostSecrets = list;
    extraHosts = list;
    ready = option types.anything null;
  };
  groupOf = schema: { type = types.options schema; };
  schema = {
    systemd = groupOf { services = option (types.attrsOf (types.options service)) { }; };
    environment = groupOf {
      etc = option (types.attrsOf (types.options etc)) { };
      systemPackages = list;
    };
    # What has no meaning here, and may be in a configuration for NixOS.
    networking = attributes;
    system = groupOf {
      build = groupOf {
        previewMeta = {
          type = types.anything;
        };
      };
      stateVersion = option types.str "";
    };
    berth = groupOf { preview = groupOf preview; };
  };

  base = { config, lib, ... }: {
    # The typed form becomes the plain one.
    system.build.previewMeta = lib.mkDefault (
      listToAttrs (
        concatMap (
          name:
          let
            value = config.berth.preview.${name};
          in
          if value == null || value == [ ] then [ ] else [ { inherit name value; } ]
        ) (attrNames preview)
      )
    );
  };
  config = modules.evaluate {
    inherit schema pkgs;
    modules = [
      base
      (if source == null then ./default-preview.nix else source + "/preview-config.nix")
    ];
  };

  # Unit files.
  out = builtins.placeholder "out";
  text =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;
  lines =
    values:
    concatStringsSep "" (
      concatMap (
        name:
        let
          value = values.${name};
        in
        map (value: "${name}=${text value}\n") (if isList value then value else [ value ])
      ) (filter (name: values.${name} != [ ] && values.${name} != "") (attrNames values))
    );
  scripts =
    name: service:
    filter (script: script.text != "") [
      {
        key = "ExecStartPre";
        file = "scripts/${name}-pre-start";
        text = service.preStart;
      }
      {
        key = "ExecStart";
        file = "scripts/${name}-start";
        text = service.script;
      }
    ];
  unit = name: service: ''
    [Unit]
    ${lines (
      {
        Description = service.description;
        After = service.after;
        Before = service.before;
        Requires = service.requires;
        Wants = service.wants;
      }
      // service.unitConfig
    )}
    [Service]
    Environment=${toJSON "PATH=${
      concatStringsSep ":" (
        map (package: "${package}/bin") service.path
        ++ [
          "/usr/bin"
          "/usr/sbin"
        ]
      )
    }"}
    ${concatStringsSep "" (
      map (key: "Environment=${toJSON "${key}=${text service.environment.${key}}"}\n") (
        attrNames service.environment
      )
    )}
    ${lines (
      listToAttrs (
        map (script: {
          name = script.key;
          value = "${out}/${script.file}";
        }) (scripts name service)
      )
      // service.serviceConfig
    )}
  '';

  # Files of the toplevel: mode, path, text.
  checked =
    name:
    if match "[A-Za-z0-9@._:/-]+" name == null then
      throw "`${name}' is no name of a file or unit"
    else
      name;
  enabled = filter (name: config.systemd.services.${name}.enable) (attrNames config.systemd.services);
  unitFiles = concatMap (
    name:
    let
      service = config.systemd.services.${name};
    in
    [
      {
        mode = "0644";
        path = "etc/systemd/system/${checked name}.service";
        text = unit name service;
      }
    ]
    ++ map (script: {
      mode = "0755";
      path = script.file;
      text = "#!/bin/bash\nset -e\n${script.text}\n";
    }) (scripts name service)
  ) enabled;
  wants = concatMap (
    name:
    map (target: "${checked target} ${checked name}.service") config.systemd.services.${name}.wantedBy
  ) enabled;
  etcFiles = concatMap (
    name:
    let
      file = config.environment.etc.${name};
    in
    if file.text != null then
      [
        {
          inherit (file) mode;
          path = "etc/${checked name}";
          inherit (file) text;
        }
      ]
    else if file.source != null then
      [
        {
          inherit (file) mode;
          path = "etc/${checked name}";
          text = "source ${file.source}";
          isSource = true;
        }
      ]
    else
      throw "environment.etc.${name} has neither `text' nor `source'"
  ) (attrNames config.environment.etc);
  files = unitFiles ++ etcFiles;
  numbered = genList (number: (elemAt files number) // { key = "file${toString number}"; }) (
    length files
  );
in
system {
  name = "preview";
  kind = "preview";
  attributes = {
    passAsFile = map (file: file.key) numbered ++ [
      "files"
      "wants"
    ];
    files = concatStringsSep "" (
      map (
        file:
        "${file.key} ${file.mode} ${if file.isSource or false then "source" else "text"} ${file.path}\n"
      ) numbered
    );
    wants = concatStringsSep "" (map (link: "${link}\n") wants);
  }
  // listToAttrs (
    map (file: {
      name = file.key;
      value = if file.isSource or false then builtins.substring 7 (-1) file.text else file.text;
    }) numbered
  );
  build.previewMeta = config.system.build.previewMeta;
}
