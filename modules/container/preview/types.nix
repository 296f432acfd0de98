# Types of what a repository declares: the same rules by which Berth reads it.
{ lib }:
let
  inherit (lib) types;

  text =
    description: check:
    types.addCheck types.str check
    // {
      inherit description;
      descriptionClass = "noun";
    };

  matches = pattern: value: builtins.match pattern value != null;

  otherUnits = [
    ".automount"
    ".device"
    ".mount"
    ".path"
    ".scope"
    ".slice"
    ".socket"
    ".swap"
    ".target"
    ".timer"
  ];

  unit = text "name of a service, such as `web` or `worker@1.service`" (
    value:
    let
      stem = lib.removeSuffix ".service" value;
    in
    lib.stringLength stem <= 192
    && matches "[A-Za-z0-9:_][A-Za-z0-9:_.@-]*" stem
    && !lib.any (ending: lib.hasSuffix ending stem) ([ "@" ] ++ otherUnits)
  );

  # The empty path is the root.
  hasSegments =
    path:
    let
      segments = lib.drop 1 (lib.splitString "/" path);
    in
    matches "(/[A-Za-z0-9._~-]+)*" path
    && lib.length segments <= 16
    && !lib.any (segment: segment == "." || segment == "..") segments;

  # `/api`, `/api/` and `/api/*` are three ways to write the same.
  withoutEnd =
    path: if lib.hasSuffix "/*" path then lib.removeSuffix "/*" path else lib.removeSuffix "/" path;

  isPath = end: value: value != "" && lib.stringLength value <= 200 && hasSegments (end value);

  routePath = text "path such as `/` or `/api/v2`, of at most 16 segments made of letters, digits and `._~-`" (
    isPath withoutEnd
  );
  readyPath = text "path such as `/` or `/health`, of at most 16 segments made of letters, digits and `._~-`" (
    isPath (lib.removeSuffix "/")
  );

  prefix =
    text "prefix of a host name: 1 to 20 of `a-z`, `0-9` and `-`, a letter or digit first and last"
      (value: lib.stringLength value <= 20 && matches "[a-z0-9]([a-z0-9-]*[a-z0-9])?" value);

  # Variables that a shell computes, counts or locks itself.
  keptByShells = [
    "BASHOPTS"
    "BASHPID"
    "BASH_ALIASES"
    "BASH_ARGC"
    "BASH_ARGV"
    "BASH_ARGV0"
    "BASH_CMDS"
    "BASH_COMMAND"
    "BASH_LINENO"
    "BASH_SOURCE"
    "BASH_SUBSHELL"
    "BASH_VERSINFO"
    "COMP_WORDBREAKS"
    "DIRSTACK"
    "EPOCHREALTIME"
    "EPOCHSECONDS"
    "EUID"
    "FUNCNAME"
    "GROUPS"
    "HISTCMD"
    "LINENO"
    "OPTIND"
    "PIPESTATUS"
    "PPID"
    "RANDOM"
    "SECONDS"
    "SHELLOPTS"
    "SHLVL"
    "SRANDOM"
    "UID"
    "_"
  ];

  secret = text "name of an environment variable that neither Berth nor a shell sets itself" (
    value:
    matches "[A-Za-z_][A-Za-z0-9_]{0,127}" value
    && !lib.hasPrefix "PREVIEW_" value
    && !lib.elem value ([ "DATABASE_URL" ] ++ keptByShells)
  );

  port = types.ints.between 1 65535;

  atMost =
    most: element:
    let
      list = types.listOf element;
    in
    types.addCheck list (value: lib.length value <= most)
    // {
      description = "${list.description}, at most ${toString most}";
      descriptionClass = "composite";
      # Else the module system would replace a list of submodules by one without end.
      substSubModules = modules: atMost most (element.substSubModules modules);
    };
in
{
  inherit
    atMost
    port
    prefix
    readyPath
    routePath
    secret
    unit
    withoutEnd
    ;
}
