# The host's default preview configuration, for repositories without a
# preview-config.nix: a clone, served as static files.
{ ... }:
{
  berth.preview = {
    setupService = "preview-setup.service";
    appServices = [ "preview-site.service" ];
    routes = [
      {
        path = "/";
        port = 8080;
      }
    ];
  };

  systemd.services.preview-setup = {
    description = "Clone of the repository";
    script = ''
      rm -rf site
      git clone --quiet --branch "$PREVIEW_BRANCH" "$PREVIEW_REPO_URL" site
    '';
    serviceConfig = {
      Type = "oneshot";
      User = "preview";
      StateDirectory = "preview";
      WorkingDirectory = "/var/lib/preview";
      EnvironmentFile = "/etc/preview.env";
    };
  };

  systemd.services.preview-site = {
    description = "Static files of the repository";
    script = "exec python3 -m http.server 8080";
    serviceConfig = {
      User = "preview";
      WorkingDirectory = "/var/lib/preview/site";
    };
  };
}
