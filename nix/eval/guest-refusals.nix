# Wrong settings of guests, and what is said of each: `expected` is a regular
# expression that the error of forcing `attempt` has in it. `works` holds what the
# cases change one thing of, so that each is refused for its own fault.
{
  nixpkgs,
  system ? "x86_64-linux",
  ...
}:
let
  lib = import (nixpkgs + "/lib");

  evaluate =
    guest: module:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      inherit system;
      modules = [
        guest
        module
      ];
    }).config.system.build.toplevel.drvPath;

  agent = expected: berth: {
    inherit expected;
    attempt = evaluate ../../modules/container/agent.nix { berth.agent = berth; };
  };

  # A good preview with one thing changed.
  web = {
    serviceConfig.User = "preview";
    script = "exec true";
  };
  setup = web // {
    serviceConfig = {
      Type = "oneshot";
      User = "preview";
    };
  };
  root = {
    path = "/";
    port = 3000;
  };
  previewWith = expected: services: berth: {
    inherit expected;
    attempt = evaluate ../../modules/container/preview.nix {
      berth.preview = {
        setupService = lib.mkDefault "setup";
        appServices = lib.mkDefault [ "web" ];
        routes = lib.mkDefault [ root ];
      }
      // berth;
      systemd.services = {
        inherit setup web;
      }
      // services;
    };
  };
  preview = expected: previewWith expected { };

  # A preview that has what the ready-made app makes.
  made = expected: berth: {
    inherit expected;
    attempt = evaluate ../../modules/container/preview.nix { berth.preview = berth; };
  };

  plain = expected: meta: {
    inherit expected;
    attempt = evaluate ../../modules/container/preview.nix { system.build.previewMeta = meta; };
  };
in
{
  works = {
    agent = (agent "" { }).attempt;
    preview = (preview "" { }).attempt;
    made = (made "" { app.start = "true"; }).attempt;
    plain = (plain "" { routes = [ root ]; }).attempt;
  };

  cases = {
    # Names of services.
    unitIsAnOption = preview "berth.preview.setupService' is not of type `null or name of a service" {
      setupService = "--now";
    };
    unitIsATimer = preview "berth.preview.appServices.*name of a service" {
      appServices = [ "backup.timer" ];
    };
    unitIsATemplate = preview "berth.preview.appServices.*name of a service" {
      appServices = [ "worker@" ];
    };
    unitIsMissing =
      preview
        "`berth.preview.appServices` names `api`, which is no service of this system: declare `systemd.services.\"api\"`"
        { appServices = [ "api" ]; };
    unitIsDisabled = previewWith "`berth.preview.appServices` names `web`, which is no service" {
      web = web // {
        enable = false;
      };
    } { };
    unitIsPartOfTheBoot =
      previewWith
        "`berth.preview.appServices` names `web`, which is part of the boot \\(`multi-user.target`\\).*mkForce"
        {
          web = web // {
            wantedBy = [ "multi-user.target" ];
          };
        }
        { };
    unitIsSetupAndApp = preview "`berth.preview.appServices` has `setup`, which is the setup service" {
      appServices = [ "setup.service" ];
    };
    setupNeverEnds =
      previewWith
        "`berth.preview.setupService` names `setup`, whose `serviceConfig.Type` is `simple`: set it to `oneshot`"
        { setup = web; }
        { };

    # Routes.
    routesAreMissing = preview "`berth.preview.routes` is empty" { routes = [ ]; };
    routePathIsRelative = preview "berth.preview.routes.*path' is not of type `path such as" {
      routes = [ (root // { path = "api"; }) ];
    };
    routePathLeaves = preview "berth.preview.routes.*path' is not of type" {
      routes = [ (root // { path = "/../etc"; }) ];
    };
    routePathIsCaddy = preview "berth.preview.routes.*path' is not of type" {
      routes = [ (root // { path = "/{env.HOME}"; }) ];
    };
    routePortIsZero =
      preview "berth.preview.routes.*port' is not of type `integer between 1 and 65535"
        {
          routes = [ (root // { port = 0; }) ];
        };
    routePortIsText = preview "berth.preview.routes.*port' is not of type" {
      routes = [ (root // { port = "3000"; }) ];
    };
    routePortIsMissing = preview "berth.preview.routes.*port' is used but not defined" {
      routes = [ { path = "/"; } ];
    };
    routeKeyIsUnknown = preview "berth.preview.routes.*stripprefix' does not exist" {
      routes = [ (root // { stripprefix = true; }) ];
    };
    routeIsThereTwice = preview "`berth.preview.routes` has `/api` twice" {
      routes = [
        root
        (root // { path = "/api"; })
        (root // { path = "/API/*"; })
      ];
    };
    routeStripsNothing = preview "`berth.preview.routes` strips the prefix of `/`, which has none" {
      routes = [ (root // { stripPrefix = true; }) ];
    };
    routesAreTooMany = preview "berth.preview.routes' is not of type .*at most 50" {
      routes = lib.genList (number: root // { path = "/${toString number}"; }) 51;
    };

    # Further hosts.
    prefixIsNoLabel =
      preview "berth.preview.extraHosts.*prefix' is not of type `prefix of a host name"
        {
          extraHosts = [
            {
              prefix = "Admin";
              routes = [ root ];
            }
          ];
        };
    prefixIsTooLong = preview "berth.preview.extraHosts.*prefix' is not of type.*1 to 20" {
      extraHosts = [
        {
          prefix = "abcdefghijklmnopqrstu";
          routes = [ root ];
        }
      ];
    };
    prefixIsThereTwice = preview "`berth.preview.extraHosts` has the prefix `admin` twice" {
      extraHosts = lib.genList (_number: {
        prefix = "admin";
        routes = [ root ];
      }) 2;
    };
    hostServesNothing = preview "`berth.preview.extraHosts: admin` has no route" {
      extraHosts = [
        {
          prefix = "admin";
          routes = [ ];
        }
      ];
    };

    # The rest of a meta.
    databaseIsUnknown =
      preview "berth.preview.database' is not of type `null or one of \"host\", \"container\""
        {
          database = "mysql";
        };
    secretIsBerths = preview "berth.preview.hostSecrets.*neither Berth nor a shell" {
      hostSecrets = [ "DATABASE_URL" ];
    };
    secretIsTheShells = preview "berth.preview.hostSecrets.*neither Berth nor a shell" {
      hostSecrets = [ "RANDOM" ];
    };
    secretIsNoVariable = preview "berth.preview.hostSecrets.*name of an environment variable" {
      hostSecrets = [ "stripe-key" ];
    };
    readyPathIsUnserved = preview "`berth.preview.ready.path` is `/health`, which no route serves" {
      routes = [ (root // { path = "/api"; }) ];
      ready.path = "/health";
    };
    readyStatusIsNone = preview "berth.preview.ready.*status' is not of type" { ready.status = 42; };
    optionIsUnknown = preview "berth.preview.setup_service' does not exist" {
      setup_service = "setup";
    };

    # The ready-made app.
    appHasNoStart = made "berth.preview.app.*start' is used but not defined" {
      app.build = "make";
    };
    appLeavesItsFolder = made "berth.preview.app.*folder' is not of type `folder of the repository" {
      app = {
        start = "true";
        folder = "../other";
      };
    };
    presetIsUnknown = made "berth.preview.presets.ruby' does not exist" {
      presets.ruby.enable = true;
    };

    # The plain form.
    plainKeyIsUnknown = plain "system.build.previewMeta.hostSecret' does not exist" {
      routes = [ root ];
      hostSecret = [ "API_KEY" ];
    };
    plainPortIsTooLarge = plain "system.build.previewMeta.routes.*port' is not of type" {
      routes = [ (root // { port = 80000; }) ];
    };
    plainHasNoRoutes = plain "`system.build.previewMeta.routes` is empty" { appServices = [ "web" ]; };

    # Agents.
    codingAgentIsUnknown = agent "berth.agent.codingAgents.*is not of type `one of .*\"claude-code\"" {
      codingAgents = [ "clod" ];
    };
    credentialLeadsNowhere = agent "`berth.agent.credentials.claude` leads nowhere" {
      credentials.claude = { };
    };
    credentialHasNoName = agent "`berth.agent.credentials` has `a b`, which cannot name a credential" {
      credentials."a b".variable = "TOKEN";
    };
    credentialPathIsRelative =
      agent "berth.agent.credentials.claude.path' is not of type `null or path of a file"
        {
          credentials.claude.path = ".claude/x";
        };
    credentialPathLeaves = agent "berth.agent.credentials.claude.path' is not of type" {
      credentials.claude.path = "~/../root/x";
    };
    credentialVariableIsNone =
      agent
        "berth.agent.credentials.claude.variable' is not of type `null or name of an environment variable"
        { credentials.claude.variable = "MY-TOKEN"; };
    shellIsText = agent "berth.agent.shell' is not of type" { shell = "zsh"; };
  };
}
