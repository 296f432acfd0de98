# Tools of the trade.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.agent;
in
{
  options.berth.agent = {
    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.nodejs pkgs.python3 ]";
      description = "Adds programs that everybody inside can call.";
    };

    defaultPackages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.curl
        pkgs.fd
        pkgs.file
        pkgs.gh
        pkgs.gnumake
        pkgs.htop
        pkgs.jq
        pkgs.ripgrep
        pkgs.tmux
        pkgs.unzip
        pkgs.vim
      ];
      defaultText = lib.literalExpression "with pkgs; [ curl fd file gh gnumake htop jq ripgrep tmux unzip vim ]";
      example = lib.literalExpression "[ ]";
      description = "Installs the usual tools; a value takes the place of the list.";
    };

    direnv.enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Enters the development shell of a repository with its folder, by direnv and nix-direnv.";
    };

    nixLd.enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = ''
        Runs programs that were not built for NixOS, such as what package managers of
        programming languages download.
      '';
    };
  };

  config = {
    environment = {
      systemPackages = cfg.defaultPackages ++ cfg.packages;
      # Before NixOS' own default, which is not installed.
      variables.EDITOR = lib.mkOverride 900 "vim";
    };
    programs.direnv = lib.mkIf cfg.direnv.enable {
      enable = true;
      nix-direnv.enable = config.berth.nix.enable;
    };
    programs.nix-ld.enable = cfg.nixLd.enable;
  };
}
