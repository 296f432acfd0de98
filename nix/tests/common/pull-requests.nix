# Pull requests on that GitHub drive the previews.
let
  # Secrets of a test may lie in the store; the host's module wants them outside.
  secret = {
    mode = "0600";
    user = "root";
    group = "root";
  };
in
{
  imports = [ ./github.nix ];

  services.berth = {
    webhook.certificate = "internal";
    settings.github = {
      api = "http://127.0.0.1:8428";
      # The one App that the double knows.
      app_id = 4242;
      app_key = "/run/secrets/app.pem";
      webhook_secret = "/run/secrets/webhook";
      repositories = [ "acme/*" ];
    };
  };

  systemd.tmpfiles.settings."00-secrets" = {
    "/run/secrets".d = secret // {
      mode = "0700";
    };
    "/run/secrets/app.pem".C = secret // {
      argument = "${../../../tests/github/assets/app-key.pem}";
    };
    "/run/secrets/webhook".f = secret // {
      argument = "a-secret-of-32-bytes-or-even-more";
    };
  };
}
