# Berth's programs, and what they call.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
in
{
  options.services.berth = {
    enable = lib.mkEnableOption "Berth, machines of their own for coding agents and previews of pull requests";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.berth or (pkgs.callPackage ../nix/package.nix { });
      defaultText = lib.literalMD "`pkgs.berth` where the overlay is, else this flake's package";
      description = "Package with Berth's programs.";
    };
  };

  config = lib.mkIf cfg.enable {
    # Berth's programs look for their tools here and in no `PATH` of a caller:
    # root must not run what somebody behind sudo has written.
    environment.systemPackages = [
      cfg.package
      pkgs.git
      pkgs.iproute2
      pkgs.nftables
      pkgs.openssh
    ];
  };
}
