# Coding agents out of nixpkgs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.agent;
  # Names of packages in nixpkgs. The value tells which need to be allowed.
  known = {
    aider-chat.unfree = false;
    amp-cli.unfree = true;
    claude-code.unfree = true;
    codex.unfree = false;
    crush.unfree = true;
    gemini-cli.unfree = false;
    github-copilot-cli.unfree = true;
    goose-cli.unfree = false;
    opencode.unfree = false;
    qwen-code.unfree = false;
  };
  allowed = lib.filter (name: known.${name}.unfree) cfg.codingAgents ++ cfg.unfreePackages;
in
{
  options.berth.agent = {
    codingAgents = lib.mkOption {
      type = lib.types.listOf (lib.types.enum (lib.attrNames known));
      default = [ "claude-code" ];
      example = [
        "claude-code"
        "codex"
      ];
      description = ''
        Coding agents that are installed, by their names in nixpkgs. The licence of
        those that are not free is accepted by naming them here, and no other
        package's. Any other program goes into {option}`berth.agent.packages`.
      '';
    };

    unfreePackages = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "ngrok" ];
      description = ''
        Names (`lib.getName`) of further packages that may be installed although
        they are not free. From this and from {option}`berth.agent.codingAgents` comes
        `nixpkgs.config.allowUnfreePredicate`, of which there can be only one: name
        packages here rather than set it.
      '';
    };
  };

  config = {
    environment.systemPackages = map (name: pkgs.${name}) cfg.codingAgents;

    nixpkgs.config = lib.mkIf (allowed != [ ]) {
      allowUnfreePredicate = package: lib.elem (lib.getName package) allowed;
    };

    # The system comes from the store: what updates itself could not write there.
    environment.variables.DISABLE_AUTOUPDATER = lib.mkIf (lib.elem "claude-code" cfg.codingAgents) "1";
  };
}
