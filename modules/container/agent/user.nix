# The user that people and coding agents are inside.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.agent;
  # Berth's own number for it: files that it puts into a guest belong to it.
  id = 1000;
in
{
  options.berth.agent = {
    shell = lib.mkOption {
      type = lib.types.shellPackage;
      default = pkgs.bashInteractive;
      defaultText = lib.literalExpression "pkgs.bashInteractive";
      example = lib.literalExpression "pkgs.zsh";
      description = ''
        The login shell of the user `agent`. For zsh or fish set `programs.zsh.enable`
        or `programs.fish.enable` too, so that the shell finds its environment.
      '';
    };

    sudo = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Lets the user `agent` become root inside without a password. Root inside is
        nobody on the host, and can still change everything in its own guest: its
        host key, its journal, what `agent run --root` finds. Whoever may run
        `agent` on the host needs no sudo.
      '';
    };

    message = lib.mkOption {
      type = lib.types.nullOr lib.types.lines;
      default = null;
      example = "Your code is in ~/shop. Ask #platform for help.";
      description = "Shown at each login.";
    };

    git = {
      name = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "Ada's agent";
        description = "The author's name of commits that are made inside. Without it git asks for one at the first commit.";
      };
      email = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "agents@example.com";
        description = "The author's e-mail address of commits that are made inside.";
      };
    };
  };

  config = {
    users = {
      users.agent = {
        isNormalUser = true;
        uid = id;
        group = "agent";
        home = "/home/agent";
        homeMode = "0700";
        inherit (cfg) shell;
        extraGroups = lib.optional cfg.sudo "wheel";
        # No id beyond the 65536 of the container exists.
        autoSubUidGidRange = false;
      };
      groups.agent.gid = id;
      motd = lib.mkIf (cfg.message != null) cfg.message;
    };

    security.sudo = lib.mkIf cfg.sudo {
      enable = true;
      execWheelOnly = true;
      wheelNeedsPassword = false;
    };

    programs.git = {
      enable = true;
      config = {
        init.defaultBranch = lib.mkDefault "main";
        user = lib.filterAttrs (_key: value: value != null) { inherit (cfg.git) name email; };
      };
    };
  };
}
