# Previews of pull requests. Needs records in DNS, a GitHub App and two files on
# the host: docs/install.md and docs/pull-requests.md of Berth. Each "…" is
# refused until it is replaced.
{
  services.berth.settings = {
    preview = {
      # A preview is at https://SLUG.DOMAIN
      domain = "…";
      # Pull request 12 of this repository is https://12.DOMAIN
      # default_repository = "acme/shop";
      ttl = "14d";

      # `internal` is for a first look. With `acme` Caddy needs the module of your
      # DNS provider, `services.caddy.package`.
      tls.mode = "internal";
    };

    github = {
      app_id = "…";
      app_key = "/etc/berth/secrets/app.pem";
      webhook_secret = "/etc/berth/secrets/webhook";
      # "acme/shop", or "acme/*" for all of an account
      repositories = [ "…" ];
    };
  };
}
