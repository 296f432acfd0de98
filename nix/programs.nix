# One package for each program: a link to it and its pages and completions, so
# that nothing is built twice.
{
  lib,
  runCommand,
  berth,
}:
let
  names = [
    "agent"
    "berth-guard"
    "berthd"
    "preview"
    "preview-webhook"
  ];

  program =
    name:
    let
      # `preview-webhook.1` is no page of a subcommand of `preview`.
      others = lib.filter (lib.hasPrefix "${name}-") names;
    in
    runCommand "${name}-${berth.version}"
      {
        pname = name;
        inherit (berth) version;
        meta = berth.meta // {
          mainProgram = name;
        };
      }
      ''
        mkdir -p "$out/bin" "$out/share"
        ln -s ${lib.getExe' berth name} "$out/bin/${name}"
        cd ${berth}
        find -L share -type f -regextype posix-extended \
          -regex '.*/_?${name}([-.][^/]*)?' \
          ${lib.concatMapStringsSep " " (other: "! -name '*${other}*'") others} \
          -exec cp --parents --target-directory="$out" {} +
      '';
in
lib.genAttrs names program
