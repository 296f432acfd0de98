# The options of a meta: those of `berth.preview`, and what a plain
# `system.build.previewMeta` may have in it.
{ lib }:
let
  inherit (lib) mkOption types;
  is = import ./types.nix { inherit lib; };

  route = types.submodule {
    options = {
      path = mkOption {
        type = is.routePath;
        example = "/api";
        description = "Where it begins: `/api` means `/api` and all below it. The most specific route wins.";
      };
      port = mkOption {
        type = is.port;
        example = 3000;
        description = "The port inside that the service listens on, on all addresses.";
      };
      stripPrefix = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Lets the service see the path without its beginning; `/api` is redirected to `/api/`.";
      };
    };
  };
  routes = is.atMost 50 route;

  extraHost = types.submodule {
    options = {
      prefix = mkOption {
        type = is.prefix;
        example = "admin";
        description = "Makes the host name `PREFIX-SLUG.DOMAIN`.";
      };
      routes = mkOption {
        type = routes;
        description = "What it serves; at least one route.";
      };
    };
  };

  ready = types.submodule {
    options = {
      path = mkOption {
        type = is.readyPath;
        default = "/";
        example = "/health";
        description = "What is asked for; one of the routes must serve it.";
      };
      status = mkOption {
        type = types.nullOr (types.ints.between 100 599);
        default = null;
        example = 200;
        description = "The status that counts as an answer: any from 200 to 399 without it.";
      };
    };
  };
in
{
  setupService = mkOption {
    type = types.nullOr is.unit;
    default = null;
    example = "setup";
    description = ''
      A service that runs to its end before the others start: it clones, builds and
      migrates. It runs again at each new commit and at each start.
    '';
  };
  appServices = mkOption {
    type = is.atMost 50 is.unit;
    default = [ ];
    example = [ "web" ];
    description = "Services that stay, started in this order after the setup service.";
  };
  database = mkOption {
    type = types.nullOr (
      types.enum [
        "host"
        "container"
      ]
    );
    default = null;
    example = "host";
    description = ''
      With `"host"` the preview gets a database and a role of the host's PostgreSQL,
      and `DATABASE_URL`. `"container"` says that it runs one itself, and changes
      nothing.
    '';
  };
  routes = mkOption {
    type = routes;
    default = [ ];
    example = [
      {
        path = "/";
        port = 3000;
      }
    ];
    description = "Which path of the site goes to which port; at least one route.";
  };
  hostSecrets = mkOption {
    type = is.atMost 50 is.secret;
    default = [ ];
    example = [ "STRIPE_KEY" ];
    description = ''
      Secrets of the host that become variables of the services. One that the
      operator does not grant to the repository fails the deployment.
    '';
  };
  extraHosts = mkOption {
    type = is.atMost 10 extraHost;
    default = [ ];
    example = [
      {
        prefix = "admin";
        routes = [
          {
            path = "/";
            port = 5000;
          }
        ];
      }
    ];
    description = "Further host names of the preview, with routes of their own.";
  };
  ready = mkOption {
    type = types.nullOr ready;
    default = null;
    example = {
      path = "/health";
      status = 200;
    };
    description = "What counts as up: a status from 200 to 399 at `/` without it. Something must listen at every other port of the routes, too.";
  };
}
