# Credentials of the host, handed to where programs look for them.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  credentials = config.berth.agent.credentials;
  folder = "/etc/berth/credentials";
  home = config.users.users.agent.home;
  absolute = path: if lib.hasPrefix "~/" path then home + lib.removePrefix "~" path else path;

  withPath = lib.filterAttrs (_name: credential: credential.path != null) credentials;
  withVariable = lib.filterAttrs (_name: credential: credential.variable != null) credentials;

  # Copied when the host's file has changed and not otherwise: programs write their
  # renewed tokens into the copy.
  handOver = pkgs.writeShellScript "berth-hand-over" ''
    set -eu
    source=$1 target=$2 stamp=$3
    sum=$(${pkgs.coreutils}/bin/sha256sum <"$source")
    if [ -e "$target" ] && [ -e "$stamp" ] && [ "$(<"$stamp")" = "$sum" ]; then exit 0; fi
    ${pkgs.coreutils}/bin/install -D --mode=0600 -- "$source" "$target"
    echo "$sum" >"$stamp"
  '';

  unit = name: credential: {
    description = "Hand the credential ${name} to the user agent";
    wantedBy = [ "multi-user.target" ];
    before = [
      "sshd.service"
      "systemd-user-sessions.service"
    ];
    unitConfig.ConditionPathExists = "${folder}/${name}";
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      # As the one whose home it writes to: root would follow the links in there.
      User = "agent";
      Group = "agent";
      UMask = "0077";
      StateDirectory = "berth-credentials";
      StateDirectoryMode = "0700";
      NoNewPrivileges = true;
      ExecStart = "${handOver} ${folder}/${name} ${lib.escapeShellArg (absolute credential.path)} /var/lib/berth-credentials/${name}";
    };
  };

  # No value is written anywhere: each session reads the file, which only its owner
  # can. Part of /etc/set-environment, which logins and `agent run` read.
  export = name: credential: ''
    if [ -r ${folder}/${name} ]; then
      IFS= read -r ${credential.variable} <${folder}/${name} || :
      export ${credential.variable}
    fi
  '';

  # The same for services of the user's own systemd.
  generate = name: credential: ''
    if [ -r ${folder}/${name} ]; then
      IFS= read -r value <${folder}/${name} || :
      printf '%s=%s\n' ${credential.variable} "$value"
    fi
  '';

  variableName = lib.types.strMatching "[A-Za-z_][A-Za-z0-9_]{0,127}" // {
    description = "name of an environment variable";
  };
  filePath =
    lib.types.addCheck lib.types.str (
      path: builtins.match "(~/|/)[A-Za-z0-9._/@+-]+" path != null && !lib.hasInfix "/../" "${path}/"
    )
    // {
      description = "path of a file that begins with `~/` or `/`, of letters, digits and `._/@+-`";
    };
in
{
  options.berth.agent.credentials = lib.mkOption {
    default = { };
    example = lib.literalExpression ''
      {
        claude.path = "~/.claude/.credentials.json";
        openai.variable = "OPENAI_API_KEY";
      }
    '';
    description = ''
      Where programs inside look for the credentials that the operator configures
      as `agent.credential` of the host, by the same names. One that the host does not
      have is left out.

      The host gives them to the user `agent` unless its configuration says
      otherwise, and only those can be handed over: what belongs to root inside
      stays in `/etc/berth/credentials`.
    '';
    type = lib.types.attrsOf (
      lib.types.submodule {
        options = {
          path = lib.mkOption {
            type = lib.types.nullOr filePath;
            default = null;
            example = "~/.claude/.credentials.json";
            description = ''
              A copy of the credential for the user `agent` alone (0600), where `~` is its
              home. It is written anew when the host's file has changed, else what
              programs made of it stays.
            '';
          };
          variable = lib.mkOption {
            type = lib.types.nullOr variableName;
            default = null;
            example = "ANTHROPIC_API_KEY";
            description = ''
              A variable of every session of the user `agent`, with the first line of
              the credential as its value.
            '';
          };
        };
      }
    );
  };

  config = {
    assertions = lib.concatLists (
      lib.mapAttrsToList (name: credential: [
        {
          assertion = builtins.match "[A-Za-z0-9][A-Za-z0-9._-]{0,63}" name != null;
          message = "`berth.agent.credentials` has `${name}`, which cannot name a credential: take 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first, as in `agent.credential` of the host";
        }
        {
          assertion = credential.path != null || credential.variable != null;
          message = "`berth.agent.credentials.${name}` leads nowhere: set its `path`, its `variable` or both";
        }
      ]) credentials
    );

    systemd.services = lib.mapAttrs' (
      name: credential: lib.nameValuePair "berth-credential-${name}" (unit name credential)
    ) withPath;

    environment.extraInit = lib.concatStrings (lib.mapAttrsToList export withVariable);

    environment.etc."systemd/user-environment-generators/50-berth" = lib.mkIf (withVariable != { }) {
      source = pkgs.writeShellScript "berth-user-environment" (
        lib.concatStrings (lib.mapAttrsToList generate withVariable)
      );
    };
  };
}
