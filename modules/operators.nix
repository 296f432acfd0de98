# Who may call `agent` and `preview`: members of the group `berth`, as root,
# through sudo, and these programs only.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;

  programs = [
    "agent"
    "preview"
  ];
  # By both names: as people find them, and as the commands below call them.
  commands = lib.concatMap (name: [
    "/run/current-system/sw/bin/${name}"
    "${cfg.package}/bin/${name}"
  ]) programs;

  rules = [
    {
      groups = [ "berth" ];
      runAs = "root";
      commands = map (command: {
        inherit command;
        options = [ "NOPASSWD" ];
      }) commands;
    }
  ];

  # Lets members leave out `sudo`, also in `ssh HOST agent create x`. What needs
  # no root goes on without it: options that take paths are refused through sudo.
  withoutSudo =
    name:
    pkgs.writeShellScriptBin name ''
      case "''${1-}" in
      "" | -* | check | check-config | completions | help | man) ;;
      *)
        if [ "$EUID" != 0 ] && [[ " $(${pkgs.coreutils}/bin/id -nG) " == *" berth "* ]]; then
          exec ${config.security.wrapperDir}/sudo -n -- ${cfg.package}/bin/${name} "$@"
        fi
        ;;
      esac
      exec ${cfg.package}/bin/${name} "$@"
    '';

  hasSudo = config.security.sudo.enable || config.security.sudo-rs.enable;
  onlyWheel =
    config.security.sudo.enable && config.security.sudo.execWheelOnly
    || config.security.sudo-rs.enable && config.security.sudo-rs.execWheelOnly;
in
{
  options.services.berth.operators = lib.mkOption {
    type = lib.types.listOf (lib.types.strMatching "[a-z_][a-z0-9_-]*");
    default = [ ];
    example = [ "ada" ];
    description = ''
      Users who may call `agent` and `preview`. They become members of the group `berth`, which
      sudo lets run exactly these two programs as root, without a password. That is as much as root
      in all agents and previews, and what `settings` lets the programs do on the host; it is not
      root on the host beyond that: the programs refuse such callers every option that takes a path
      of the host.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.operators == [ ] || hasSudo;
        message = ''
          services.berth.operators is ${builtins.toJSON cfg.operators}, and they call Berth's programs
          through sudo: set security.sudo.enable, or security.sudo-rs.enable.
        '';
      }
      {
        assertion = cfg.operators == [ ] || !onlyWheel;
        message = ''
          services.berth.operators is ${builtins.toJSON cfg.operators}, and execWheelOnly keeps those
          outside the group `wheel` from calling sudo: set security.sudo.execWheelOnly (or that of
          security.sudo-rs) to false.
        '';
      }
    ];

    users.groups.berth.members = cfg.operators;

    # These are found before the programs themselves.
    environment.systemPackages = map (name: lib.hiPrio (withoutSudo name)) programs;

    security.sudo = {
      extraRules = rules;
      # The default of sudo, said here because the rule rests on it: nothing of
      # the caller's environment reaches a program that runs as root.
      extraConfig = ''
        Cmnd_Alias BERTH = ${lib.concatStringsSep ", " commands}
        Defaults!BERTH env_reset, !setenv, secure_path="${config.security.wrapperDir}:/run/current-system/sw/bin"
      '';
    };
    security.sudo-rs.extraRules = rules;
  };
}
