# A site that Node.js serves.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.preview.presets.node;

  managers = {
    npm = {
      packages = [ ];
      build = "npm ci\nnpm run build --if-present";
      start = "npm start";
    };
    pnpm = {
      packages = [ pkgs.pnpm ];
      build = "pnpm install --frozen-lockfile\npnpm run --if-present build";
      start = "pnpm start";
    };
    yarn = {
      packages = [ pkgs.yarn ];
      build = "yarn install --frozen-lockfile\nyarn build";
      start = "yarn start";
    };
  };
  manager = managers.${cfg.packageManager};
in
{
  options.berth.preview.presets.node = {
    enable = lib.mkEnableOption "the preset for a site that Node.js serves: {option}`berth.preview.app` with the commands of the package manager";
    package = lib.mkPackageOption pkgs "nodejs" { };
    packageManager = lib.mkOption {
      type = lib.types.enum (lib.attrNames managers);
      default = "npm";
      example = "pnpm";
      description = "Installs what the lock file says, runs the scripts `build` (npm and pnpm: if there is one) and `start`.";
    };
  };

  config = lib.mkIf cfg.enable {
    berth.preview.app = {
      packages = [ cfg.package ] ++ manager.packages;
      build = lib.mkDefault manager.build;
      start = lib.mkDefault manager.start;
    };

    # Not while it is built: package managers would leave out what building takes.
    systemd.services.preview-app.environment.NODE_ENV = lib.mkDefault "production";
  };
}
