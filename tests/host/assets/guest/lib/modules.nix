# A module system in small: it plays NixOS' for the fixtures' preview-config.nix.
# Modules are attribute sets or functions to them, paths to either, with
# `imports`; what they define is merged by the type of the option, and what is
# no option is refused by its name, as on NixOS.
{
  specialArgs ? { },
}:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    hasAttr
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    listToAttrs
    map
    throw
    typeOf
    ;

  lib = {
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: values: if condition then values else { };
    optionalString = condition: text: if condition then text else "";
    concatStringsSep = concatStringsSep;
    concatMapStringsSep =
      separator: f: values:
      concatStringsSep separator (map f values);
    mapAttrs = builtins.mapAttrs;
    genAttrs =
      names: f:
      listToAttrs (
        map (name: {
          inherit name;
          value = f name;
        }) names
      );
    makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);
    getExe = package: "${package}/bin/${package.meta.mainProgram or package.name}";
    escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  };

  # A definition is a value with the file that it comes from. Conditions, merges
  # and priorities are resolved where a value is needed, so that a module may ask
  # for the configuration that it helps to make.
  resolve =
    defs:
    let
      open =
        def:
        let
          type = if isAttrs def.value then def.value._type or "" else "";
        in
        if type == "if" then
          (if def.value.condition then open (def // { value = def.value.content; }) else [ ])
        else if type == "merge" then
          concatMap (value: open (def // { inherit value; })) def.value.contents
        else if type == "override" then
          open (
            def
            // {
              value = def.value.content;
              inherit (def.value) priority;
            }
          )
        else
          [ def ];
      opened = concatMap open defs;
      best = foldl' (best: def: if def.priority < best then def.priority else best) 10000 opened;
    in
    filter (def: def.priority == best) opened;

  where = defs: concatStringsSep "" (map (def: "\n- In `${toString def.file}'") defs);
  wrong =
    name: type: defs:
    throw "A definition for option `${name}' is not of type `${type}'. Definition values:${where defs}";
  all =
    check: name: type: defs:
    if builtins.all (def: check def.value) defs then
      map (def: def.value) defs
    else
      wrong name type defs;
  single = check: type: {
    merge =
      name: defs:
      let
        values = all check name type defs;
      in
      if builtins.all (value: value == head values) values then
        head values
      else
        throw "The option `${name}' has conflicting definition values:${where defs}";
  };

  types = rec {
    anything = single (_value: true) "anything";
    bool = single builtins.isBool "boolean";
    str = single (value: isString value || isPath value) "string";
    scalar = single (
      value:
      elem (typeOf value) [
        "string"
        "path"
        "int"
        "bool"
      ]
      || value ? outPath
    ) "string, number or boolean";
    lines = {
      merge =
        name: defs: concatStringsSep "\n" (all isString name "strings concatenated with \"\\n\"" defs);
    };
    list = {
      merge = name: defs: concatLists (all isList name "list" defs);
    };
    attrsOf = type: {
      merge =
        name: defs:
        let
          values = all isAttrs name "attribute set" defs;
          names = attrNames (foldl' (a: b: a // b) { } values);
          of =
            key:
            concatMap (
              def: if hasAttr key def.value then [ (def // { value = def.value.${key}; }) ] else [ ]
            ) defs;
          present = filter (key: resolve (of key) != [ ]) names;
        in
        listToAttrs (
          map (key: {
            name = key;
            value = merge type "${name}.${key}" (of key);
          }) present
        );
    };
    # Options with a type and a default each.
    options = schema: {
      merge =
        name: defs:
        let
          values = all isAttrs name "attribute set" defs;
          path = key: if name == "" then key else "${name}.${key}";
          of =
            key:
            concatMap (
              def: if hasAttr key def.value then [ (def // { value = def.value.${key}; }) ] else [ ]
            ) defs;
          unknown = filter (key: !(hasAttr key schema)) (concatMap attrNames values);
          value =
            key: option:
            if resolve (of key) == [ ] then
              (option.default or (merge option.type (path key) [ ]))
            else
              merge option.type (path key) (of key);
        in
        if unknown != [ ] then
          throw "The option `${path (head unknown)}' does not exist. Definition values:${where (of (head unknown))}"
        else
          builtins.mapAttrs value schema;
    };
  };
  merge =
    type: name: defs:
    type.merge name (resolve defs);

  evaluate =
    {
      schema,
      modules,
      pkgs,
    }:
    let
      args = {
        inherit config lib pkgs;
      }
      // specialArgs;
      load =
        file: module:
        let
          isFile = isPath module || isString module;
          from = if isFile then module else file;
          opened = if isFile then import module else module;
          value = if isFunction opened then opened args else opened;
          own = if value ? config then value.config else removeAttrs value [ "imports" ];
        in
        if !isAttrs value then
          throw "The module `${toString from}' is no attribute set"
        else
          concatMap (load from) (value.imports or [ ])
          ++ [
            {
              file = from;
              priority = 100;
              value = own;
            }
          ];
      config = merge (types.options schema) "" (concatMap (load "the guest") modules);
    in
    config;
in
{
  inherit evaluate lib types;
}
