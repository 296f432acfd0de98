# A site of files.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.preview.presets.static;
  app = config.berth.preview.app;
  # Absolute, since the server reads a settings file of the folder that it starts
  # in, and the repository's may be somebody else's.
  root = "/var/lib/preview/current/${app.folder}/${cfg.root}";
  command = [
    (lib.getExe cfg.package)
    "--host=0.0.0.0"
    "--port=${toString app.port}"
    "--root=${root}"
    # Else a browser keeps style sheets and scripts for a year.
    "--cache-control-headers=false"
  ]
  ++ lib.optional cfg.listing "--directory-listing=true"
  ++ lib.optional (cfg.fallback != null) "--page-fallback=${root}/${cfg.fallback}";

  path =
    lib.types.addCheck lib.types.str (
      value:
      builtins.match "[A-Za-z0-9._][A-Za-z0-9._/-]*" value != null && !lib.hasInfix "../" "${value}/"
    )
    // {
      description = "path within the repository, such as `dist`";
    };
in
{
  options.berth.preview.presets.static = {
    enable = lib.mkEnableOption "the preset for a site of files: {option}`berth.preview.app` with a file server, on port 8080 unless it says otherwise";
    package = lib.mkPackageOption pkgs "static-web-server" { };
    root = lib.mkOption {
      type = path;
      default = ".";
      example = "dist";
      description = "The folder that is served, once `berth.preview.app.build`, if there is one, has run.";
    };
    listing = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Shows what is in a folder that has no `index.html`.";
    };
    fallback = lib.mkOption {
      type = lib.types.nullOr path;
      default = null;
      example = "index.html";
      description = "A page of that folder for every path that has no file, for sites that route in the browser.";
    };
  };

  config = lib.mkIf cfg.enable {
    berth.preview.app = {
      port = lib.mkDefault 8080;
      start = lib.mkDefault "cd /\nexec ${lib.escapeShellArgs command}";
    };
  };
}
