# A host as a team has it: agents, previews of pull requests through a GitHub
# App, a wildcard certificate by ACME, PostgreSQL, and people who may use it.
{ lib, pkgs, ... }:
let
  members = {
    ada = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBbkWSHdcqJtVx1AQPZ2kZwD6JB3rGxKw6f9MS0l4lw ada@laptop";
    grace = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPvLZHCGPDcTTZ0VVrjT2PG6nyMr4mdvQ8U1mAGEP1aE grace@desk";
  };
in
{
  imports = [ ./hardware ];

  networking.hostName = "berth";

  users.users = lib.mapAttrs (_: key: {
    isNormalUser = true;
    openssh.authorizedKeys.keys = [ key ];
  }) members;

  services = {
    openssh = {
      enable = true;
      settings.PasswordAuthentication = false;
    };

    berth = {
      enable = true;
      operators = lib.attrNames members;

      # Caddy proves to the authority that the domain is ours by a record at
      # Cloudflare: it needs the module for that, and the token in its
      # environment. The first build tells the right hash.
      caddy = {
        package = pkgs.caddy.withPlugins {
          plugins = [ "github.com/caddy-dns/cloudflare@v0.2.1" ];
          hash = lib.fakeHash;
        };
        environmentFile = "/run/secrets/caddy.env";
      };

      # Secrets are files that sops-nix or agenix writes to /run/secrets.
      settings = {
        public_host = "berth.example.com";

        agent = {
          ttl = "7d";
          memory = "8G";
          cpus = "4";
          authorized_keys = lib.attrValues members;
          credential = [
            {
              name = "claude";
              source = "/run/secrets/claude";
            }
          ];
        };

        preview = {
          domain = "preview.example.com";
          ttl = "14d";
          default_repository = "acme/shop";

          tls = {
            mode = "acme";
            dns = "cloudflare";
            token_variable = "CLOUDFLARE_API_TOKEN";
          };

          secret = [
            {
              name = "STRIPE_KEY";
              source = "/run/secrets/stripe";
              repositories = [ "acme/shop" ];
            }
          ];
        };

        github = {
          app_id = "Iv23liAbCdEfGhIjKlMn";
          app_key = "/run/secrets/github-app.pem";
          webhook_secret = "/run/secrets/github-webhook";
          repositories = [ "acme/*" ];
        };
      };
    };
  };
}
